import fc from 'fast-check'
import {expect, test} from 'vitest'
import type {RuntimeInstance} from '../../src/runtime/port.ts'
import {revision, signal, world} from './resting-world.ts'
import {MIB} from './worlds.ts'

test('whatever starts, rests, stops and is made ready at once, containers never hold more than the owner lends', async () => {
  const lentMib = 300
  const revisions = Array.from({length: 6}, (_none, index) => revision(`rev_${index}`, 40 + 20 * index))
  const mibOf = new Map(revisions.map(({id, spec}) => [id, spec.memoryBytes / MIB]))
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({index: fc.nat(5), act: fc.constantFrom('start', 'rest', 'stop', 'round', 'wait')}), {
        minLength: 5,
        maxLength: 40
      }),
      fc.integer({min: 5, max: 60}),
      async (acts, processMib) => {
        const ran = new Set<string>()
        const noteRun = (instance: RuntimeInstance): void => {
          const [run, stop] = [instance.run.bind(instance), instance.stop.bind(instance)]
          if (instance.tier === 'running') ran.add(instance.id)
          instance.stop = async (how, ended) => {
            if (instance.tier === 'frozen' && how.graceMs === 0) killed.add(instance.id)
            await stop(how, ended)
          }
          instance.run = async (ended) => {
            ran.add(instance.id)
            await run(ended)
          }
        }
        // What is killed while it is frozen never runs again, whatever the runtime calls it.
        const killed = new Set<string>()
        const limits = () => ({memoryBytes: lentMib * MIB, cpuMillis: 10_000})
        const w = await world({revisions, processMib, limits, tamper: noteRun})
        let number = 0
        const under: Promise<unknown>[] = []
        for (const {index, act} of acts) {
          number += 1
          const running = w.instances.all[index]?.instance ?? ''
          if (act === 'start') under.push(w.start(`i-${number}`, revisions[index]))
          else if (act === 'rest') under.push(w.instances.rest(running, 0))
          else if (act === 'stop') under.push(w.instances.stop(running, 0))
          else if (act === 'round') w.resting.round()
          else await Promise.all(under.splice(0))
          // What the containers really could use, by what the runtime says of them.
          const real = (await w.runtime.list(signal)).reduce((sum, {id, tier, labels}) => {
            const runningMib = killed.has(id) ? processMib : ran.has(id) ? (mibOf.get(labels.revision ?? '') ?? 0) : 11
            return sum + {running: runningMib, frozen: processMib, initialised: 11, created: 0}[tier]
          }, 0)
          expect(real).toBeLessThanOrEqual(lentMib)
          w.clock.ms += 1000
        }
        await Promise.all(under)
        await w.instances.endAll(0)
        expect([await w.containers(), w.instances.count]).toEqual([[], 0])
      }
    ),
    {numRuns: process.env.CREO_TEST_TIER === 'long' ? 300 : 25}
  )
})
