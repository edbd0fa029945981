import {readdir, readFile, stat, statfs} from 'node:fs/promises'
import {freemem} from 'node:os'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {connectInstance} from '../../src/miner/instance-socket.ts'
import type {InstanceSpec, RuntimeInstance} from '../../src/runtime/port.ts'
import {attempt, LIMITS, type Outcome, type ProbeWorld, patience} from './probe-world.ts'

const MIB = 2 ** 20
const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
/** Other programs of a machine breathe too. */
const HOST_SLACK_BYTES = 2 ** 30
const HOST_SLACK_PIDS = 500
/** Ways of writing a log down: time and stream before each line, and what is replaced when it is full. */
const LOG_FACTOR = 4
const CONNECTIONS = IS_LONG ? 5000 : 1500
const CPU_MILLIS = 100
const SHARE_ROUNDS = IS_LONG ? 10_000 : 1000
/** 128 and the number of SIGKILL. */
const OUT_OF_MEMORY = 137
/** Without limits eight workers do eight times the work of one. */
const SHARE_MAX = 2.5

/** What a function takes too much of, what stops it, and how far it may come. */
export interface Greed {
  readonly attack: string
  readonly what: string
  readonly by: string
  readonly answers: readonly string[]
  readonly countMax: number
}

export const GREED: readonly Greed[] = [
  {
    attack: 'fork-bomb',
    what: 'fork without end',
    by: 'the limit of processes',
    answers: ['EAGAIN'],
    countMax: LIMITS.pidsMax
  },
  {
    attack: 'memory-hog',
    what: 'take memory without end',
    by: 'the memory limit; only its own processes are ended',
    answers: ['SIGKILL', 'ENOMEM', 'ended'],
    countMax: LIMITS.memoryBytes / MIB
  },
  {
    attack: 'disk-fill',
    what: 'fill /tmp',
    by: 'the size of the scratch space',
    answers: ['ENOSPC'],
    countMax: LIMITS.scratchBytes / MIB
  },
  {
    attack: 'shared-memory-fill',
    what: 'fill /dev/shm',
    by: 'its size, and the memory limit',
    answers: ['ENOSPC', 'EACCES', 'EROFS', 'ENOENT'],
    countMax: LIMITS.scratchBytes / MIB
  },
  {
    attack: 'inode-fill',
    what: 'make files without end in /tmp',
    by: 'the memory limit, which counts them',
    answers: ['ENOSPC', 'ENOMEM', 'SIGKILL', 'ended'],
    countMax: 200_000
  },
  {
    attack: 'shared-memory-inodes',
    what: 'make files without end in /dev/shm',
    by: 'the memory limit, which counts them',
    answers: ['ENOSPC', 'ENOMEM', 'SIGKILL', 'ended', 'EACCES', 'EROFS', 'ENOENT'],
    countMax: 200_000
  },
  {
    attack: 'door-fill',
    what: 'fill the directory of its socket',
    by: 'a tmpfs of its own, of 16 KiB',
    answers: ['ENOSPC'],
    countMax: 0
  },
  {
    attack: 'door-inodes',
    what: 'make files without end beside its socket',
    by: 'a tmpfs of its own, of eight files',
    answers: ['ENOSPC'],
    countMax: 8
  },
  {
    attack: 'descriptors',
    what: 'open files without end',
    by: 'the limit of open files',
    answers: ['EMFILE'],
    countMax: 65_536
  },
  {
    attack: 'crash',
    what: 'crash',
    by: 'its own processes alone; no dump is kept',
    answers: ['SIGABRT'],
    countMax: 65_536
  }
]

interface Parties {
  readonly world: ProbeWorld
  readonly neighbour: RuntimeInstance
}

/** Takes what others need, one kind after the other, while a neighbour goes on answering and the host has what it had. */
export function greedTests(name: string, parties: () => Parties): void {
  test.each(GREED)('cannot $what and harm others', async ({attack, by, answers, countMax}) => {
    const {world, neighbour} = parties()
    const before = await hostState(world)
    const instance = await world.start(attack)
    const [{result, count}] = await Promise.all([attemptOrEnd(instance, attack), answersOn(neighbour)])
    process.stdout.write(`${name}: ${attack}: ${result} after ${count} (${by})\n`)
    expect(answers).toContain(result)
    expect(count).toBeLessThanOrEqual(countMax)
    await answersOn(neighbour)
    await instance.stop({graceMs: 0}, patience())
    await hostUnharmed(world, before)
  })

  test('keeps no more log on disk than it may, however much it writes', async () => {
    const {world, neighbour} = parties()
    const before = await bytesBelow(join(world.directory, 'state'))
    const instance = await world.start('log-flood')
    await Promise.all([attempt(instance, 'log-flood'), answersOn(neighbour)])
    expect((await bytesBelow(join(world.directory, 'state'))) - before).toBeLessThan(LOG_FACTOR * LIMITS.logBytes)
    await instance.stop({graceMs: 0}, patience())
  })

  test('does no more work than a neighbour of the same share, with eight workers against one', async () => {
    const {world} = parties()
    const share: Partial<InstanceSpec> = {limits: {...LIMITS, cpuMillis: CPU_MILLIS}}
    const [hog, worker] = await Promise.all([world.start('cpu-hog', share), world.start('cpu-worker', share)])
    await Promise.all([attempt(hog, 'cpu-hog'), attempt(worker, 'cpu-worker')])
    const start = await workOf(worker)
    while ((await workOf(worker)) - start < SHARE_ROUNDS) await answersOn(parties().neighbour)
    const [byHog, byWorker] = [await workOf(hog), await workOf(worker)]
    process.stdout.write(`${name}: cpu-hog: ${byHog} units against ${byWorker} (the CPU limit)\n`)
    expect(byHog).toBeGreaterThan(0)
    expect(byHog).toBeLessThan(SHARE_MAX * byWorker)
    for (const instance of [hog, worker]) await instance.stop({graceMs: 0}, patience())
  })

  test(`survives ${CONNECTIONS} connections at once, and so does its neighbour`, async () => {
    const {world, neighbour} = parties()
    const instance = await world.start('crowded')
    const crowd = (await Promise.allSettled(Array.from({length: CONNECTIONS}, () => connectInstance(instance.socketPath)))).flatMap(
      (one) => (one.status === 'fulfilled' ? [one.value.on('error', () => undefined)] : [])
    )
    expect(crowd.length).toBeGreaterThan(0)
    await answersOn(neighbour)
    for (const socket of crowd) socket.destroy()
    await answersOn(instance)
    await instance.stop({graceMs: 0}, patience())
  })
}

/** The kernel may choose the whole container when its memory is used up; then that is what came of it. */
async function attemptOrEnd(instance: RuntimeInstance, attack: string): Promise<Outcome> {
  return attempt(instance, attack).catch(async (cause) => {
    const {exitCode} = await instance.exited
    if (exitCode !== OUT_OF_MEMORY) throw cause
    return {result: 'ended', count: 0}
  })
}

async function answersOn(instance: RuntimeInstance): Promise<void> {
  expect((await attempt(instance, 'may-fork')).result).toBe('succeeded')
}

async function workOf(instance: RuntimeInstance): Promise<number> {
  return (await attempt(instance, 'work')).count
}

interface HostState {
  readonly freeMemoryBytes: number
  readonly freeDiskBytes: number
  readonly processes: number
}

async function hostState(world: ProbeWorld): Promise<HostState> {
  const {bavail, bsize} = await statfs(world.directory)
  const processes = Number((await readFile('/proc/loadavg', 'utf8')).split(/[/ ]/)[4])
  return {freeMemoryBytes: freemem(), freeDiskBytes: bavail * bsize, processes}
}

async function hostUnharmed(world: ProbeWorld, before: HostState): Promise<void> {
  const after = await hostState(world)
  expect(after.freeMemoryBytes).toBeGreaterThan(before.freeMemoryBytes - HOST_SLACK_BYTES)
  expect(after.freeDiskBytes).toBeGreaterThan(before.freeDiskBytes - HOST_SLACK_BYTES)
  expect(after.processes).toBeLessThan(before.processes + HOST_SLACK_PIDS)
}

/** What lies in the runtime's folder, containers' own files left out, and so also what without root is not ours to look into. */
async function bytesBelow(directory: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(directory, {withFileTypes: true}).catch(refusedAsEmpty)) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) bytes += await bytesBelow(path)
    else if (entry.isFile()) bytes += (await stat(path).catch(() => undefined))?.size ?? 0
  }
  return bytes
}

function refusedAsEmpty(error: NodeJS.ErrnoException): [] {
  if (error.code === 'EACCES' || error.code === 'ENOENT') return []
  throw error
}
