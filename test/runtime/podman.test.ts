import {existsSync} from 'node:fs'
import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {execa} from 'execa'
import {expect, vi} from 'vitest'
import {createPodmanRuntime} from '../../plugins/runtime-podman/src/podman-runtime.ts'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import {buildEchoImage} from '../support/echo-image.ts'
import {runtimeContract} from '../support/runtime-contract.ts'
import {SLOWNESS} from '../support/slowness.ts'

const REMOVAL_MS = 60_000 * SLOWNESS

runtimeContract('podman', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'creo-podman-'))
  const echoImage = await buildEchoImage(join(directory, 'layout'), AbortSignal.timeout(REMOVAL_MS))
  const tools = await runtimeTools({stateDirectory: join(directory, 'state'), env: process.env, log: () => undefined})
  const runtime = await createPodmanRuntime(tools)
  const settings = await readFile(join(directory, 'state/storage.conf'), 'utf8')
  const run = dirname(/runroot = "(.*)"/.exec(settings)?.[1] ?? '')
  return {
    runtime,
    echoImage,
    reopen: () => createPodmanRuntime(tools),
    close: async () => {
      const signal = AbortSignal.timeout(REMOVAL_MS)
      expect(await runtime.list(signal)).toEqual([])
      await runtime.prune([], signal)
      await runtime.close()
      await removeState(directory, run)
    }
  }
})

/** Removes the state and checks that nothing of the test is left on the machine: no mount, no process, no file. */
async function removeState(directory: string, run: string): Promise<void> {
  expect(await readFile('/proc/self/mounts', 'utf8')).not.toContain(directory)
  // podman's own clean-up after a container's end may still be at it.
  const processes = async () => (await execa('ps', ['-eo', 'args'])).stdout
  await vi.waitFor(async () => expect(await processes()).not.toContain(directory), {timeout: REMOVAL_MS})
  expect(existsSync(run)).toBe(false)
  await rm(directory, {recursive: true})
}
