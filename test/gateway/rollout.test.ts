import type {IncomingMessage, ServerResponse} from 'node:http'
import {afterEach, expect, it} from 'vitest'
import {SCALE_SETTINGS} from '../../src/core/autoscaling.ts'
import type {TrafficShare} from '../../src/core/protocol/revisions.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'
import {inPieces, MixedLoad, PIECE} from '../support/mixed-load.ts'

const IS_LONG = (process.env.CREO_TEST_TIER ?? 'short') !== 'short'
/** Answers that are waited for in each state of a rollout. */
const ANSWERS_EACH = IS_LONG ? 250 : 60
const ROUNDS = IS_LONG ? 3 : 1
/** Small windows, so that instances come and go all the time. */
const SCALE = {...SCALE_SETTINGS, stableWindowMs: 400, panicWindowMs: 100, zeroGraceMs: 100}

let world: GatewayWorld
afterEach(async () => {
  await world.close()
  expect(world.fatal).toEqual([])
})

/** Ids of requests, as often as a function saw each. */
const seen = new Map<string, number>()

/** Sends back what it is sent, as it comes; without a body it writes in pieces, with pauses. */
function serve(asked: IncomingMessage, response: ServerResponse): void {
  const id = String(asked.headers['x-id'])
  seen.set(id, (seen.get(id) ?? 0) + 1)
  if (asked.method === 'POST') asked.pipe(response)
  else if (asked.url === '/slow') void inPieces((piece) => response.write(piece)).then(() => response.end())
  else response.end(PIECE)
}

let leases = 100
/** The coordinator leases a revision to every node; earlier leases of it end. */
function lease(revision: string): void {
  unlease(revision)
  const nodes = new Set(world.table.leases.map(({node}) => node))
  const [like] = world.table.leases
  for (const node of nodes) {
    leases += 1
    world.table.leases.push({...like!, id: `lea_${leases}`, node, revision})
  }
}

function unlease(revision: string): void {
  world.table.leases = world.table.leases.filter((entry) => entry.revision !== revision)
}

function direct(...traffic: TrafficShare[]): void {
  const [most] = traffic.toSorted((a, b) => b.percent - a.percent)
  world.table.apps[0]!.functions[0] = {function: 'site', revision: most!.revision, traffic}
  world.publish()
}

function deploy(revision: string): void {
  world.table.revisions.push({...world.table.revisions[0]!, id: revision})
  lease(revision)
}

it('loses no request in five rollouts under load, and sends none a second time', {timeout: 120_000 * ROUNDS}, async () => {
  world = await openGatewayWorld({scale: SCALE, tickMs: 25, spec: {concurrency: 2}})
  await world.addMiner({serve})
  await world.addMiner({serve})
  const load = new MixedLoad({url: world.gateway.publicUrl, host: 'shop--acme.localhost', answersEach: ANSWERS_EACH})
  let current = 'rev_1'
  await load.answeredBy(current)
  for (let round = 1; round <= ROUNDS; round += 1) {
    const [next, later] = [`rev_${round}1`, `rev_${round}2`]
    // One that replaces another at once, which then loses its leases.
    deploy(next)
    direct({revision: next, percent: 100})
    await load.answeredBy(next)
    unlease(current)
    world.publish()
    // One in steps: half, all, and back.
    deploy(later)
    direct({revision: next, percent: 50}, {revision: later, percent: 50})
    await load.answeredBy(next, later)
    direct({revision: later, percent: 100})
    await load.answeredBy(later)
    direct({revision: next, percent: 100})
    await load.answeredBy(next)
    unlease(later)
    // And new leases for what serves, in place of those that it serves by.
    lease(next)
    world.publish()
    await load.answeredBy(next)
    current = next
  }
  await load.stop()
  expect(load.failures).toEqual([])
  expect(load.answers.length).toBeGreaterThan(ANSWERS_EACH * 5 * ROUNDS)
  expect([...seen].filter(([, times]) => times !== 1)).toEqual([])
  expect(seen.size).toBe(load.answers.length)
})
