import {copyFile, mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {hostArchitecture, nodeBase} from '../../src/images/base-node.ts'
import {buildImage, type LocalImage} from '../../src/images/build-image.ts'
import {SMALL_BYTES, staticFunction} from '../function/build.ts'

const BASES = fileURLToPath(new URL('../../node_modules/.cache/creo-bench/bases', import.meta.url))
const SERVER = `import {createServer} from 'node:http'
const answer = 'x'.repeat(${SMALL_BYTES})
createServer((_request, response) => response.end(answer)).listen(Number(process.env.PORT), '127.0.0.1')
`

/** The two kinds of function that are started: a static binary alone in its image, and Node on creo's base. Both answer the same. */
export const kinds = ['static', 'node'] as const
export type Kind = (typeof kinds)[number]

export const commands: Readonly<Record<Kind, readonly string[]>> = {static: ['/app/answer'], node: ['node', '/app/server.mjs']}
export const MEMORY_MIB: Readonly<Record<Kind, number>> = {static: 16, node: 128}

/** Writes what goes into the image of one kind. */
export async function writeFunction(kind: Kind, folder: string, signal: AbortSignal): Promise<void> {
  await mkdir(folder, {recursive: true})
  if (kind === 'node') await writeFile(join(folder, 'server.mjs'), SERVER)
  else await copyFile(await staticFunction(signal), join(folder, 'answer'))
}

/** Builds the image of one kind below `directory`. */
export async function buildFunction(kind: Kind, directory: string, signal: AbortSignal): Promise<LocalImage> {
  const folder = join(directory, kind)
  await writeFunction(kind, folder, signal)
  await mkdir(BASES, {recursive: true})
  const base = kind === 'node' ? await nodeBase({cacheDirectory: BASES, signal}) : 'scratch'
  const layoutDirectory = join(directory, `${kind}-layout`)
  return await buildImage({
    platforms: [{architecture: hostArchitecture(), base}],
    folder,
    argv: commands[kind],
    env: {},
    layoutDirectory,
    signal
  })
}
