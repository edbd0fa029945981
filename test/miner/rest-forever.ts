import {setTimeout as delay} from 'node:timers/promises'
import {createPodmanRuntime} from '../../plugins/runtime-podman/src/podman-runtime.ts'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import {instancesWorld} from './instances-world.ts'
import {restingRevisions} from './resting-revisions.ts'

/**
 * The containers of a node over real podman: starts, lets rest and wakes instances of one revision while another one is made ready ahead of need,
 * and says on stdout what it did, until it is killed. `pauseMs` lies between a rest and the next start.
 */
const [directory = '', stateDirectory = '', imageDigest = '', pauseMs = '0'] = process.argv.slice(2)
const ROUNDS_MAX = 10_000
const revisions = restingRevisions(imageDigest)
const runtime = await createPodmanRuntime(await runtimeTools({stateDirectory, env: process.env, log: () => undefined}))
const {tiers} = await runtime.probe(AbortSignal.timeout(60_000))
const w = await instancesWorld(directory, runtime, {tiers, wanted: () => revisions})
const [first] = revisions
for (let round = 0; round < ROUNDS_MAX && first !== undefined; round += 1) {
  w.resting.round()
  const instance = `i-${process.pid}-${round}`
  const outcome = await w.instances.start({instance, gateway: 'gw_1', lease: 'lea_9', revision: first.id}, first, imageDigest)
  process.stdout.write(`${JSON.stringify(outcome)}\n`)
  await w.instances.rest(instance, 0)
  process.stdout.write(`${w.resting.all.find((waiting) => waiting.revision === first.id)?.tier ?? 'nothing'} waits\n`)
  await delay(Number(pauseMs))
}
