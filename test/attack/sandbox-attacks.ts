import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import type {ContainerRuntime, RuntimeInstance, RuntimeTools} from '../../src/runtime/port.ts'
import {greedTests} from './greed.ts'
import {attempt, openProbeWorld, outcomeOf, type ProbeWorld} from './probe-world.ts'
import {reachTests} from './reach.ts'
import {ALLOWED, REFUSALS} from './refusals.ts'

/** In namespaces of its own even root changes nothing of the machine with the attacks that are tried as a control. */
const APART = ['--fork', '--ipc', '--mount', '--net', '--pid', '--uts', '--cgroup', '--mount-proc', '--propagation', 'private']
const CONTROL_TIMEOUT_MS = 30_000

/** Every attack that we know, from inside real containers of this runtime. Prints a line for each. */
export function sandboxAttacks(name: string, create: (tools: RuntimeTools) => Promise<ContainerRuntime>): void {
  describe(`a hostile function in a container of ${name}`, () => {
    let world: ProbeWorld
    let attacker: RuntimeInstance
    let neighbour: RuntimeInstance

    beforeAll(async () => {
      world = await openProbeWorld(create)
      attacker = await world.start('attacker')
      neighbour = await world.start('neighbour')
    })
    afterAll(() => world.close())

    test.each(REFUSALS)('is refused to $what', async ({attack, by, answers}) => {
      const {result} = await attempt(attacker, attack)
      process.stdout.write(`${name}: ${attack}: ${result} (${by})\n`)
      expect(answers).toContain(result)
    })

    test('may do what functions do, so that a refusal means something', async () => {
      const results = await Promise.all(ALLOWED.map(async (attack) => [attack, (await attempt(attacker, attack)).result]))
      expect(results).toEqual(ALLOWED.map((attack) => [attack, 'succeeded']))
    })

    test.runIf(process.getuid?.() === 0)('would not be refused outside, where the same attacks are tried as a control', async () => {
      const rows = REFUSALS.filter(({control}) => control)
      const tried = await Promise.all(rows.map(async (row) => ({...row, result: await outside(world.probePath, row.attack)})))
      expect(tried.filter(({answers, result}) => answers.includes(result)).map(({attack, result}) => `${attack}: ${result}`)).toEqual([])
    })

    reachTests(() => world)
    greedTests(name, () => ({world, neighbour}))

    test('has reached nothing that listens on the host, in all of this', () => {
      expect(world.reached()).toBe(0)
    })
  })
}

async function outside(probePath: string, attack: string): Promise<string> {
  const {stdout} = await execa('unshare', [...APART, probePath, attack], {timeout: CONTROL_TIMEOUT_MS})
  return outcomeOf(stdout).result
}
