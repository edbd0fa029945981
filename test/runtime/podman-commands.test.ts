import {mkdir, readdir, readFile, realpath, writeFile} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {execa} from 'execa'
import {afterEach, describe, expect, test} from 'vitest'
import {createFlags} from '../../plugins/runtime-podman/src/create-flags.ts'
import type {ContainerRuntime, InstanceSpec, RuntimeInstance} from '../../src/runtime/port.ts'
import {ask, patience} from '../support/contract-world.ts'
import {openPodmanWorld, type PodmanWorld} from '../support/podman-world.ts'
import {runtimeContract} from '../support/runtime-contract.ts'
import {SLOWNESS} from '../support/slowness.ts'

const MIB = 2 ** 20
const LIMITS = {memoryBytes: 256 * MIB, cpuMillis: 500, pidsMax: 64, scratchBytes: 4 * MIB, logBytes: MIB}
const TURNED_OFF = {CREO_PODMAN_API: 'off'}
const SLOW_MS = 60_000 * SLOWNESS
/** Every promise takes three times as long as over the API; the rest is kept in the long tier. */
const LATER = 'in the long tier: it says nothing of podman that the others do not'
const SKIPPED: Readonly<Record<string, string>> = {'enforces limits and says so': 'it has one problem to report: that it goes the slow way'}
const SKIPPED_SHORT = [
  'gives up waiting when told to',
  'freezes and thaws again and again, and twice is once',
  'changes tiers in the order in which it was asked to',
  'freezes a function that has only just begun, and thaws it whole',
  'hands a frozen function to a later process, which thaws it',
  'says how a function ended that was created and did not become ready',
  'hands an instance that is created to a later process, which runs it'
]
const skipped =
  process.env.CREO_TEST_TIER === 'long' ? SKIPPED : {...SKIPPED, ...Object.fromEntries(SKIPPED_SHORT.map((title) => [title, LATER]))}

runtimeContract('podman by its command line', () => openPodmanWorld(TURNED_OFF), skipped)

describe('podman, where its REST API can not be had,', () => {
  let world: PodmanWorld
  const instances: RuntimeInstance[] = []
  const runtimes: ContainerRuntime[] = []

  afterEach(async () => {
    for (const instance of instances.splice(0)) await instance.stop({graceMs: 0}, patience())
    for (const runtime of runtimes.splice(0)) await runtime.close()
    await world.close()
  })
  const open = async (env: Readonly<Record<string, string>>) => {
    const runtime = await world.open(env)
    runtimes.push(runtime)
    return runtime
  }
  const start = async (runtime: ContainerRuntime, id: string, more: Partial<InstanceSpec> = {}) => {
    await runtime.prepare(world.echoImage, patience())
    const common = {argv: [], env: {}, port: 8080, limits: LIMITS, labels: {}}
    const instance = await runtime.start({id, imageDigest: world.echoImage.manifestDigest, ...common, ...more}, patience())
    instances.push(instance)
    await instance.ready(patience())
    return instance
  }

  const oddPodman = async (does: string) => {
    const CREO_PODMAN = join(world.directory, 'podman')
    await writeFile(CREO_PODMAN, `#!/bin/sh\n${does}\n`, {mode: 0o755})
    return {CREO_PODMAN}
  }

  test('gives the OCI runtime the same sandbox as over it', async () => {
    world = await openPodmanWorld()
    const waysOut = {directory: join(world.directory, 'out'), proxy: true, hosts: ['other.creo']}
    await mkdir(waysOut.directory)
    await writeFile(join(waysOut.directory, 'hosts'), '127.0.0.1 other.creo')
    const more = {env: {ODD: 'a,b "c" \n # $HOME d'}, labels: {revision: 'r,1 "x"'}, waysOut}
    await start(world.runtime, 'by-rest', more)
    await start(await open(TURNED_OFF), 'by-line', more)
    const [rest, line] = await Promise.all([sandboxOf(world.directory, 'by-rest'), sandboxOf(world.directory, 'by-line')])
    expect(rest.told).toEqual([{allow: false, access: 'rwm'}])
    // The one thing that it can't be told, and that runc does unasked: the devices of both are the same in the kernel.
    expect(line.told).toBeUndefined()
    expect(line.devices).toBe(rest.devices)
    expect(line.config).toEqual(rest.config)
  })

  test('runs podman by a name that leads to it, since without root it runs itself again by that name', async () => {
    world = await openPodmanWorld()
    const names = join(world.directory, 'names')
    const odd = await oddPodman(`echo "$0" >> ${names}\nexec podman "$@"`)
    await (await open({...TURNED_OFF, ...odd})).prepare(world.echoImage, patience())
    const [name = ''] = (await readFile(names, 'utf8')).split('\n')
    expect(basename(name)).toMatch(new RegExp(`^creo-podman-${process.pid}-`))
    expect(await realpath(name)).toBe(odd.CREO_PODMAN)
  })

  test('starts functions by commands when the service does not start, and says so', async () => {
    world = await openPodmanWorld()
    const runtime = await open(
      await oddPodman('case " $* " in *" system service "*) echo "no such command" >&2; exit 125;; esac; exec podman "$@"')
    )
    await start(runtime, 'served')
    const probe = await runtime.probe(patience())
    expect(probe).toMatchObject({enforcesLimits: true, problems: [expect.stringMatching(/more slowly.*no such command\.$/)]})
  })

  test('says why the service does not start when commands do not work either', async () => {
    world = await openPodmanWorld()
    const runtime = await open(await oddPodman('echo "no subordinate ids" >&2; exit 125'))
    const failure = {code: 'runtime_missing', message: expect.stringContaining('no subordinate ids')}
    await expect(runtime.probe(patience())).rejects.toMatchObject(failure)
  })

  test(
    'goes on by commands when the service dies again and again, with what it had started',
    async () => {
      world = await openPodmanWorld()
      const instance = await start(world.runtime, 'survivor')
      expect((await world.runtime.probe(patience())).problems).toEqual([])
      const problems = async () => {
        await killService(world.directory)
        return (await world.runtime.probe(patience()).catch(() => ({problems: []}))).problems
      }
      await expect.poll(problems, {timeout: SLOW_MS}).toEqual([expect.stringContaining('ended 3 times within 60 s')])
      await ask(instance, '/crash?code=4').catch(() => undefined)
      expect(await instance.exited).toEqual({exitCode: 4, oom: false})
    },
    SLOW_MS
  )
})

test.each([
  ['a field', {image: 'x', privileged: true}],
  ['another value of a known one', {image: 'x', cap_drop: []}],
  ['a field within one', {image: 'x', r_limits: [{type: 'core', soft: 1, hard: 1, more: 1}]}],
  ['devices', {image: 'x', resource_limits: {devices: [{allow: true, access: 'rwm'}], memory: {}, cpu: {}, pids: {}}}],
  ['a kind of mount', {image: 'x', mounts: [{destination: '/x', type: 'devpts', source: 'x', options: []}]}],
  ['a path that flags would take apart', {image: 'x', mounts: [{destination: '/x', type: 'bind', source: '/a,b', options: ['bind']}]}]
])('refuses to leave out %s that no flag says', (_, spec) => {
  expect(() => createFlags(spec, (message) => new Error(message))).toThrow("podman's command line can't be told")
})

interface Configuration {
  readonly annotations: Record<string, string>
  readonly mounts: {readonly destination: string}[]
  readonly process: {readonly env: string[]}
  readonly root: {path: string}
  readonly linux: {readonly cgroupsPath: string; readonly resources: {devices?: unknown}}
}

/** What podman notes for itself, and no OCI runtime reads. */
const NOTES = ['io.kubernetes.cri-o.Created', 'io.kubernetes.cri-o.TTY', 'io.podman.annotations.seccomp']

/** What the OCI runtime was told of a container, in one order and without ids, and which devices the kernel gives it. */
async function sandboxOf(directory: string, id: string): Promise<{config: Configuration; told: unknown; devices: string}> {
  const containers = join(directory, 'state/storage/overlay-containers')
  for (const name of await readdir(containers)) {
    const text = await readFile(join(containers, name, 'userdata/config.json'), 'utf8').catch(() => '')
    if (!text.includes(id)) continue
    const {cgroupsPath} = (JSON.parse(text) as Configuration).linux
    const devices = await readFile(join('/sys/fs/cgroup/devices', cgroupsPath, 'devices.list'), 'utf8').catch(() => 'version 2')
    const config = JSON.parse(text.replaceAll(name, 'ID').replaceAll(name.slice(0, 12), 'ID').replaceAll(id, 'NAME')) as Configuration
    for (const note of NOTES) delete config.annotations[note]
    config.mounts.sort((a, b) => a.destination.localeCompare(b.destination))
    config.process.env.sort()
    config.root.path = ''
    const told = config.linux.resources.devices
    delete config.linux.resources.devices
    return {config, told, devices}
  }
  throw new Error(`${id} has no configuration`)
}

async function killService(directory: string): Promise<void> {
  const lines = (await execa('ps', ['-eo', 'pid,comm,args'])).stdout.split('\n').map((line) => line.trim().split(/\s+/))
  const services = lines.filter(([, name, ...argv]) => name === 'podman' && argv.join(' ').includes(directory) && argv.includes('service'))
  for (const [pid] of services) process.kill(Number(pid), 'SIGKILL')
}
