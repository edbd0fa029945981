import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {expect} from 'vitest'
import {createPodmanRuntime} from '../../plugins/runtime-podman/src/podman-runtime.ts'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import {buildEchoImage} from '../support/echo-image.ts'
import {runtimeContract} from '../support/runtime-contract.ts'

const REMOVAL_MS = 60_000

runtimeContract('podman', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'creo-podman-'))
  const echoImage = await buildEchoImage(join(directory, 'layout'), AbortSignal.timeout(REMOVAL_MS))
  const tools = await runtimeTools({stateDirectory: join(directory, 'state'), env: process.env, log: () => undefined})
  const runtime = await createPodmanRuntime(tools)
  return {
    runtime,
    echoImage,
    reopen: () => createPodmanRuntime(tools),
    close: async () => {
      const signal = AbortSignal.timeout(REMOVAL_MS)
      expect(await runtime.list(signal)).toEqual([])
      await runtime.prune([], signal)
      await runtime.close()
      await removeState(directory)
    }
  }
})

/** podman keeps its storage directory mounted on itself; after that nothing of the test may be left on the machine. */
async function removeState(directory: string): Promise<void> {
  const mounts = async () => (await readFile('/proc/self/mounts', 'utf8')).split('\n').filter((line) => line.includes(directory))
  for (const line of await mounts()) await execa('umount', ['--lazy', line.split(' ')[1] ?? ''])
  expect(await mounts()).toEqual([])
  await rm(directory, {recursive: true})
  const {stdout} = await execa('ps', ['-eo', 'args'])
  expect(stdout.split('\n').filter((line) => line.includes(directory))).toEqual([])
}
