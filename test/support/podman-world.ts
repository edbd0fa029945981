import {existsSync} from 'node:fs'
import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {execa} from 'execa'
import {expect, vi} from 'vitest'
import {createPodmanRuntime} from '../../plugins/runtime-podman/src/podman-runtime.ts'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import type {ContainerRuntime, RuntimeTools} from '../../src/runtime/port.ts'
import type {ContractWorld} from './contract-world.ts'
import {buildEchoImage} from './echo-image.ts'
import {SLOWNESS} from './slowness.ts'

const REMOVAL_MS = 60_000 * SLOWNESS

export interface PodmanWorld extends ContractWorld {
  readonly directory: string
  /** Another runtime over the same state. */
  open(env: RuntimeTools['env']): Promise<ContainerRuntime>
}

/** podman over a state of its own; `close` checks that nothing of it is left. */
export async function openPodmanWorld(changes: RuntimeTools['env'] = {}): Promise<PodmanWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'creo-podman-'))
  const echoImage = await buildEchoImage(join(directory, 'layout'), AbortSignal.timeout(REMOVAL_MS))
  const open = async (more: RuntimeTools['env']) => {
    const env = {...process.env, ...more}
    return createPodmanRuntime(await runtimeTools({stateDirectory: join(directory, 'state'), env, log: () => undefined}))
  }
  const runtime = await open(changes)
  const settings = await readFile(join(directory, 'state/storage.conf'), 'utf8')
  const run = dirname(/runroot = "(.*)"/.exec(settings)?.[1] ?? '')
  return {
    directory,
    runtime,
    echoImage,
    open,
    reopen: () => open(changes),
    close: async () => {
      const signal = AbortSignal.timeout(REMOVAL_MS)
      expect(await runtime.list(signal)).toEqual([])
      await runtime.prune([], signal)
      await runtime.close()
      await removeState(directory, run)
    }
  }
}

/** Removes the state and checks that nothing of the test is left on the machine: no mount, no process, no file. */
async function removeState(directory: string, run: string): Promise<void> {
  expect(await readFile('/proc/self/mounts', 'utf8')).not.toContain(directory)
  // podman's own clean-up after a container's end may still be at it.
  const processes = async () => (await execa('ps', ['-eo', 'args'])).stdout
  await vi.waitFor(async () => expect(await processes()).not.toContain(directory), {timeout: REMOVAL_MS})
  expect(existsSync(run)).toBe(false)
  await rm(directory, {recursive: true})
}
