import {copyFile, mkdir, mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {nodeBase} from '../../src/images/base-node.ts'
import {buildImage, type LocalImage} from '../../src/images/build-image.ts'

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/creo-test-base', import.meta.url))
const SERVER = fileURLToPath(new URL('./echo-function/server.mjs', import.meta.url))

/** An OCI layout with the function that the runtime contract starts: Node, the server, and util-linux's unshare to try an escape with. */
export async function buildEchoImage(layoutDirectory: string, signal: AbortSignal): Promise<LocalImage> {
  await mkdir(CACHE, {recursive: true})
  const base = await nodeBase({cacheDirectory: CACHE, signal})
  const folder = await mkdtemp(join(tmpdir(), 'creo-echo-'))
  try {
    await copyFile(SERVER, join(folder, 'server.mjs'))
    await copyFile('/usr/bin/unshare', join(folder, 'unshare'))
    const argv = ['node', '/app/server.mjs']
    return await buildImage({
      platforms: [{architecture: base.architecture, base}],
      folder,
      argv,
      env: {FROM_IMAGE: 'yes'},
      layoutDirectory,
      signal
    })
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}
