import {existsSync} from 'node:fs'
import {mkdir, mkdtemp, readdir, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {basename, dirname, join} from 'node:path'
import {text} from 'node:stream/consumers'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {createContainerdRuntime} from '../../plugins/runtime-containerd/src/containerd-runtime.ts'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import type {ContainerRuntime, ImageLayout, InstanceSpec} from '../../src/runtime/port.ts'
import {containerdIsThere} from '../support/containerd.ts'
import type {ContractWorld} from '../support/contract-world.ts'
import {buildEchoImage} from '../support/echo-image.ts'
import {runtimeContract} from '../support/runtime-contract.ts'
import {SLOWNESS} from '../support/slowness.ts'

const PATIENCE_MS = 60_000 * SLOWNESS
const MIB = 2 ** 20
const LIMITS = {memoryBytes: 256 * MIB, cpuMillis: 1000, pidsMax: 64, scratchBytes: 4 * MIB, logBytes: 64 * 1024}
/** ctr makes a container and starts its process in one. */
const NO_INIT = 'ctr can not stop between the namespaces and the process'
const withoutInitialised = Object.fromEntries(
  [
    'names what holding an instance initialised costs',
    'holds an instance initialised without a process of the function, and runs it',
    'says how a function ended that was initialised and did not become ready',
    'stops an instance that is initialised, and frees its id',
    'leaves nothing of one that shall be initialised and was called off',
    'hands an instance that is initialised to a later process, which runs it'
  ].map((title) => [title, NO_INIT])
)
const patience = () => AbortSignal.timeout(PATIENCE_MS)

describe.skipIf(!(await containerdIsThere()))('containerd, where it is installed and creo is root,', () => {
  runtimeContract('containerd', open, withoutInitialised)

  describe('as a service of our own', () => {
    let world: ContainerdWorld
    let runtime: ContainerRuntime
    let image: ImageLayout
    beforeAll(async () => {
      world = await open()
      runtime = world.runtime
      image = world.echoImage
      await runtime.prepare(image, patience())
    })
    afterAll(async () => {
      for (const left of await runtime.list(patience())) await left.stop({graceMs: 0}, patience())
      await world.close()
    })

    const specOf = (id: string): InstanceSpec => {
      return {id, imageDigest: image.manifestDigest, argv: [], env: {}, port: 8080, limits: LIMITS, labels: {}}
    }

    test('may be killed: functions run on, a new one takes over, and it still hears how they end', async () => {
      const instance = await runtime.start(specOf('outlives'), patience())
      await instance.ready(patience())
      const [daemon] = await pidsOf(join(world.state, 'containerd.toml'))
      process.kill(Number(daemon), 'SIGKILL')
      await expect.poll(() => existsSync(`/proc/${daemon}`)).toBe(false)
      await instance.freeze(patience())
      await instance.thaw(patience())
      const init = await readFile(join(world.run, 'state/io.containerd.runtime.v2.task/creo/outlives/init.pid'), 'utf8')
      process.kill(Number(init), 'SIGKILL')
      expect(await instance.exited).toEqual({exitCode: 137, oom: false})
    })

    test('refuses to hold an instance initialised, which it does not offer', async () => {
      const {tiers} = await runtime.probe(patience())
      expect(tiers.map(({tier}) => tier)).toEqual(['frozen', 'created'])
      await expect(runtime.create(specOf('colder'), 'initialised', patience())).rejects.toMatchObject({code: 'invalid_input'})
    })

    test('starts an id once, also when asked twice at the same time, and lists no half of it', async () => {
      const first = runtime.start(specOf('twice'), patience())
      const listed = runtime.list(patience())
      await expect(runtime.start(specOf('twice'), patience())).rejects.toMatchObject({code: 'conflict'})
      expect((await listed).map(({id}) => id)).not.toContain('twice')
      await (await first).stop({graceMs: 0}, patience())
    })

    test('keeps a flood of words within its size, the newest of them', async () => {
      const script = `for (let i = 1; i <= 20000; i++) console.log('word ' + i)`
      const instance = await runtime.start({...specOf('flood'), argv: ['node', '-e', script]}, patience())
      expect((await instance.exited).exitCode).toBe(0)
      const kept = await text(instance.logs({follow: false}, patience()))
      expect(kept.length).toBeLessThanOrEqual(LIMITS.logBytes)
      expect(kept.endsWith('word 20000\n')).toBe(true)
    })

    test('clears what a process left that was killed while it prepared an image', async () => {
      const left = join(world.state, 'work/left/mount')
      await mkdir(left, {recursive: true})
      await execa('mount', ['-t', 'tmpfs', 'creo', left])
      await runtime.prune([image.manifestDigest], patience())
      expect(await readdir(join(world.state, 'work'))).toEqual([])
    })

    test('evicts an image for good once nothing uses it', async () => {
      const instance = await runtime.start(specOf('user'), patience())
      await runtime.prune([], patience())
      await expect(instance.ready(patience())).resolves.toBeUndefined()
      for (const left of await runtime.list(patience())) await left.stop({graceMs: 0}, patience())
      await runtime.prune([], patience())
      expect(await readdir(join(world.state, 'roots'))).toEqual([])
      await expect(runtime.start(specOf('late'), patience())).rejects.toMatchObject({code: 'image_missing'})
    })
  })
})

interface ContainerdWorld extends ContractWorld {
  readonly state: string
  readonly run: string
}

async function open(): Promise<ContainerdWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'creo-containerd-'))
  const state = join(directory, 'state')
  const echoImage = await buildEchoImage(join(directory, 'layout'), patience())
  const tools = await runtimeTools({stateDirectory: state, env: process.env, log: () => undefined})
  const runtime = await createContainerdRuntime(tools)
  const run = dirname(/address = "(.*)"/.exec(await readFile(join(state, 'containerd.toml'), 'utf8'))?.[1] ?? '')
  return {
    state,
    run,
    runtime,
    echoImage,
    reopen: () => createContainerdRuntime(tools),
    close: async () => {
      expect(await runtime.list(patience())).toEqual([])
      await runtime.prune([], patience())
      await runtime.close()
      await removeState(directory, run)
    }
  }
}

/** Removes the state and checks that nothing of the test is left on the machine: no mount, no process, no group, no file. */
async function removeState(directory: string, run: string): Promise<void> {
  const mounts = await readFile('/proc/self/mounts', 'utf8')
  const processes = (await execa('ps', ['-eo', 'args'])).stdout
  for (const place of [directory, run]) {
    expect(mounts).not.toContain(place)
    expect(processes).not.toContain(place)
  }
  expect(existsSync(run)).toBe(false)
  for (const hierarchy of ['.', 'memory']) expect(existsSync(join('/sys/fs/cgroup', hierarchy, basename(run)))).toBe(false)
  await rm(directory, {recursive: true})
}

/** Of processes whose command line holds that, shells aside. */
async function pidsOf(words: string): Promise<string[]> {
  const {stdout} = await execa('ps', ['-eo', 'pid=,args='])
  const rows = stdout.split('\n').filter((row) => row.includes(words) && !row.includes('/bin/sh'))
  return rows.map((row) => row.trim().split(/\s+/)[0] ?? '')
}
