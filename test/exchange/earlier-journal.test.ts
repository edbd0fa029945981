import {createHash} from 'node:crypto'
import {expect, it} from 'vitest'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {deployOf, HOUR_MS, receiptOf, World} from './world.ts'

const LINE = {incentive: 'acme/LEAF', requestsPerMillionMinor: 700_000, mibMsPerMillionMinor: 333_333, dailyBudgetMinor: 1000}
const STEPS = 3000

/** Numbers that look like chance and are the same for ever (a linear congruential generator, Numerical Recipes' constants). */
function* numbers(): Generator<number, never> {
  for (let state = 1; ; state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) yield state >>> 8
}

/** Deploys, leases, receipts and the passing of time in an order that meets superseded and forgotten revisions. */
function earlierJournal(): {readonly answers: string[]; readonly world: World} {
  const world = new World()
  for (const name of ['creometry', 'acme', 'ann']) world.account(name)
  world.issue('acme', {})
  world.must('acme', {type: 'pool.fund', incentive: 'acme/LEAF', amountMinor: 500_000})
  const gateway = world.gateway('gate')
  const nodes = ['one', 'two'].map((name) => world.node(name, 'ann'))
  const random = numbers()
  const revisions = [world.deploy('acme', [LINE])]
  const leases: {lease: string; node: string; revision: string}[] = []
  const answers: string[] = []
  const say = (who: string, body: CommandBody): Record<string, unknown> => {
    const answer = world.do(who, body)
    answers.push(JSON.stringify(answer))
    return answer.status === 'applied' ? {...answer.result} : {}
  }
  for (let step = 0; step < STEPS; step += 1) {
    const pick = random.next().value
    const lease = leases.at(-1 - (pick % 9)) ?? {lease: 'lea_1', node: nodes[0] ?? '', revision: 'rev_1'}
    const kind = random.next().value % 10
    if (kind < 2) {
      const [made] = (say('acme', deployOf([LINE], {image: String(pick % 4), fn: pick % 3 === 0 ? 'api' : 'web'})).revisions ?? []) as {
        revision: string
      }[]
      if (made !== undefined) revisions.push(made.revision)
    } else if (kind < 5) {
      const body = {node: nodes[pick % 2] ?? '', revision: revisions.at(-1 - (pick % 4)) ?? '', endsAtMs: world.nowMs + 2 * HOUR_MS}
      const granted = say('coordinator', {type: 'lease.grant', ...body, budgets: [{incentive: 'acme/LEAF', amountMinor: 1 + (pick % 90)}]})
      if (granted.lease !== undefined) leases.push({...body, lease: String(granted.lease)})
    } else if (kind < 6) say('coordinator', {type: 'lease.end', lease: lease.lease})
    else if (kind < 9) {
      say('coordinator', receiptOf({...lease, gateway, window: step, windowStartMs: world.nowMs - 10_000, requests: pick % 50, mibMs: 99}))
    } else say('coordinator', {type: 'time.advance'})
    world.nowMs += (pick % 40) * 60_000
  }
  return {answers, world}
}

it('gives the commands of a time when traffic was not shared the answers and effects that they had then', () => {
  const {answers, world} = earlierJournal()
  expect(answers.filter((answer) => answer.includes('There is no revision')).length).toBeGreaterThan(10)
  // What the rules gave before they knew of shares: journals of that time are compared with it when they are replayed.
  const digest = createHash('sha256')
    .update(JSON.stringify([answers, world.effects]))
    .digest('hex')
  expect(digest).toBe('c24cb2552273fd65c7dd2d6881bebe4d81fd2d9a7a65eb8986dd492ab071dc3f')
})
