import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, mkdtemp, rm} from 'node:fs/promises'
import {request} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {setTimeout as delay} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {expect, onTestFinished, test} from 'vitest'
import {createPodmanRuntime} from '../../plugins/runtime-podman/src/podman-runtime.ts'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import type {RevisionEntry} from '../../src/core/protocol/tables.ts'
import type {ContainerRuntime} from '../../src/runtime/port.ts'
import {containersOf, leftBehind} from '../loop/left-behind.ts'
import {buildEchoImage} from '../support/echo-image.ts'
import {SLOWNESS} from '../support/slowness.ts'
import {type InstancesWorld, instancesWorld} from './instances-world.ts'
import {restingRevisions} from './resting-revisions.ts'

const KILLS = process.env.CREO_TEST_TIER === 'long' ? 25 : 2
const CHILD = fileURLToPath(new URL('./rest-forever.ts', import.meta.url))
/** Two rounds of the child take no longer: at what instant in them it is killed, chance decides. */
const KILL_WITHIN_MS = 600
const TIMEOUT_MS = 30_000 * SLOWNESS
/** So long nothing is woken in the first round, which is killed while something is frozen. */
const LONG_MS = 60_000

test('whenever a miner is killed, what waited for it is taken over as it waits and works, or removed: nothing is left behind', {
  timeout: (60_000 + 20_000 * KILLS) * SLOWNESS
}, async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'creo-rest-'))
  onTestFinished(() => rm(directory, {recursive: true, force: true}))
  const stateDirectory = join(directory, 'state')
  const node = join(directory, 'n')
  await mkdir(node)
  const tools = await runtimeTools({stateDirectory, env: process.env, log: () => undefined})
  const image = await buildEchoImage(join(directory, 'layout'), AbortSignal.timeout(60_000 * SLOWNESS))
  const signal = AbortSignal.timeout((55_000 + 20_000 * KILLS) * SLOWNESS)
  const first = await createPodmanRuntime(tools)
  const offered = (await first.probe(signal)).tiers.map(({tier}) => tier)
  if (!offered.includes('frozen')) context.skip('this machine can freeze nothing for who is not root')
  await first.prepare(image, signal)
  await first.close()
  const seen = new Set<string>()
  for (let kill = 0; kill < KILLS; kill += 1) {
    const args = [node, stateDirectory, image.manifestDigest]
    if (kill === 0) await killWhenFrozen([...args, String(LONG_MS)])
    else await killSometime(args)
    const runtime = await createPodmanRuntime(tools)
    const {tiers} = await runtime.probe(signal)
    const revisions = restingRevisions(image.manifestDigest)
    const w = await instancesWorld(node, runtime, {tiers, wanted: () => revisions})
    for (const found of await runtime.list(signal)) {
      const revision = revisions.find(({id}) => id === found.labels.revision)
      const isKept = revision !== undefined && found.tier !== 'running' && (await w.resting.adopt(found, revision))
      seen.add(isKept ? found.tier : 'removed')
      if (!isKept) await w.instances.discard(found)
    }
    expect(await runtime.list(signal)).toHaveLength(w.resting.count)
    for (const revision of revisions.filter(({id}) => w.resting.all.some((one) => one.revision === id)))
      await mustAnswer({w, runtime, revision})
    await w.instances.endAll(0)
    expect(await runtime.list(signal)).toEqual([])
    expect(await containersOf(directory)).toEqual([])
    await runtime.prune(kill === KILLS - 1 ? [] : [image.manifestDigest], signal)
    await runtime.close()
  }
  expect([...seen]).toContain('frozen')
  await expect.poll(() => leftBehind(directory), {timeout: TIMEOUT_MS}).toEqual([])
})

/** Runs the child until something was frozen and woken again, and a little longer. */
async function killSometime(args: readonly string[]): Promise<void> {
  await killAfter(args, '{"status":"started","from":"frozen"}', Math.random() * KILL_WITHIN_MS)
}

async function killWhenFrozen(args: readonly string[]): Promise<void> {
  await killAfter(args, 'frozen waits', 0)
}

async function killAfter(args: readonly string[], said: string, ms: number): Promise<void> {
  const child = spawn(process.execPath, [CHILD, ...args], {stdio: ['ignore', 'pipe', 'inherit']})
  const exited = once(child, 'exit')
  for await (const line of createInterface(child.stdout)) if (line === said) break
  await delay(ms)
  child.kill('SIGKILL')
  await exited
}

/** It wakes from where it waited, and answers. */
async function mustAnswer({w, runtime, revision}: {w: InstancesWorld; runtime: ContainerRuntime; revision: RevisionEntry}): Promise<void> {
  const instance = `j-${revision.id.replace('_', '-')}`
  const origin = {instance, gateway: 'gw_1', lease: 'lea_9', revision: revision.id}
  const outcome = await w.instances.start(origin, revision, revision.imageDigest)
  expect(outcome).toMatchObject({status: 'started', from: expect.stringMatching('frozen|initialised|created')})
  const running = (await runtime.list(AbortSignal.timeout(TIMEOUT_MS))).find(({labels}) => labels.revision === revision.id)
  const [response] = await once(request({socketPath: running?.socketPath, path: '/'}).end(), 'response')
  expect(response.resume().statusCode).toBe(200)
}
