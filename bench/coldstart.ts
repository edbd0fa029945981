import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {asleepFigures} from './coldstart/asleep.ts'
import {pathFigures} from './coldstart/path-rounds.ts'
import {runtimeFigures} from './coldstart/runtime-rounds.ts'
import type {Bench} from './run.ts'

/**
 * From no container to the first answer, and the tenth: by the runtime alone beside `runc run` of the same bundle, and through the whole
 * path; and 10,000 functions that nobody asks for. Images are prepared; nothing of the container is there.
 */
export const measure: Bench['measure'] = async ({signal, say}) => {
  if (process.getuid?.() !== 0) throw new Error('only root can run the bundles of podman by runc: run this bench as root')
  const directory = await mkdtemp(join(tmpdir(), 'creo-coldstart-'))
  try {
    const options = {directory, signal, say}
    return [...(await runtimeFigures(options)), ...(await pathFigures(options)), ...(await asleepFigures(options))]
  } finally {
    await rm(directory, {recursive: true, force: true})
  }
}
