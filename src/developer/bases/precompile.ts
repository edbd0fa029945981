import {cp, mkdir, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {CreoError} from '../../core/errors.ts'
import type {Architecture} from '../../images/oci.ts'
import {PYTHON_PACKAGES} from './recipes.ts'

const COMPILE_TIMEOUT_MS = 5 * 60_000
const LIBRARY = 'usr/lib/python3.11'
const HOSTS: Readonly<Record<string, {readonly architecture: Architecture; readonly triplet: string; readonly loader: string}>> = {
  x64: {architecture: 'amd64', triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2'},
  arm64: {architecture: 'arm64', triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1'}
}

interface Trees {
  readonly architecture: Architecture
  readonly tree: (name: string) => string
}

/**
 * Compiles Python's library for every architecture with the fetched Python of this machine's: a container can't keep what Python would
 * compile at each start. In `scratch` its packages are put together. The code is the same for all machines, and with a fixed seed the same each time.
 */
export async function precompile(materials: readonly Trees[], scratch: string, signal: AbortSignal): Promise<void> {
  const host = HOSTS[process.arch]
  const own = process.platform === 'linux' ? materials.find(({architecture}) => architecture === host?.architecture) : undefined
  if (host === undefined || own === undefined)
    throw new CreoError('build_failed', `The base of Python can't be made on ${process.platform} on ${process.arch}.`, {
      hint: 'Make it on Linux, on an x86-64 or arm64 machine, and copy it from its bases folder: creo bases'
    })
  const root = join(scratch, 'python')
  await mkdir(root, {recursive: true})
  for (const name of PYTHON_PACKAGES) await cp(own.tree(name), root, {recursive: true, verbatimSymlinks: true})
  const libraries = ['lib', 'usr/lib'].map((folder) => join(root, folder, host.triplet)).join(':')
  const python = [join(root, 'lib', host.triplet, host.loader), '--library-path', libraries, join(root, 'usr/bin/python3.11')] as const
  for (const {tree} of materials)
    for (const name of PYTHON_PACKAGES) await compileTree(python, {tree: tree(name), home: join(root, 'usr'), signal})
}

async function compileTree(
  [program, ...python]: readonly [string, ...string[]],
  {tree, home, signal}: {readonly tree: string; readonly home: string; readonly signal: AbortSignal}
): Promise<void> {
  const library = join(tree, LIBRARY)
  if (!(await stat(library).catch(() => undefined))) return
  const args = ['-s', '-m', 'compileall', '-q', '-f', '--invalidation-mode', 'unchecked-hash', '-s', tree, '-p', '/', library]
  await execa(program, [...python, ...args], {
    env: {PYTHONHOME: home, PYTHONHASHSEED: '0', LC_ALL: 'C.UTF-8'},
    stdin: 'ignore',
    timeout: COMPILE_TIMEOUT_MS,
    cancelSignal: signal
  })
}
