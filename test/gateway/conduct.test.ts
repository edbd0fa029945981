import {afterEach, describe, expect, it} from 'vitest'
import type {ConductReport} from '../../src/core/protocol/conduct.ts'
import {judgePlaces, NodeConduct, type PlaceConduct} from '../../src/gateway/conduct.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

const PATIENCE = {timeout: 60_000}

function place(node: string, revision: string, seen: Partial<PlaceConduct> = {}): PlaceConduct {
  return {node, revision, org: 'acme', answered: 0, failed: 0, tampered: 0, headMs: 0, started: 0, startsFailed: 0, isTaken: false, ...seen}
}

const judged = (...places: PlaceConduct[]) => Object.fromEntries(judgePlaces(places))
const fair = {failed: 0, slow: 0, starts: 0, startsFailed: 0}

describe('what speaks against a node', () => {
  it('is what fails there and not elsewhere', () => {
    const seen = judged(place('a', 'r', {answered: 60, failed: 40}), place('b', 'r', {answered: 99, failed: 1}))
    expect(seen).toEqual({a: {...fair, requests: 99, failed: 39}, b: {...fair, requests: 99, failed: 0}})
  })

  it('is not what fails everywhere, nor what nobody else runs', () => {
    const crashing = {answered: 10, failed: 90}
    expect(judged(place('a', 'r', crashing), place('b', 'r', crashing))).toEqual({
      a: {...fair, requests: 10},
      b: {...fair, requests: 10}
    })
    expect(judged(place('a', 'r', {failed: 100}), place('b', 'r', {answered: 9}))).toEqual({b: {...fair, requests: 9}})
  })

  it('is an answer much later than that of others, wherever those are', () => {
    const seen = judged(
      place('far', 'r', {answered: 20, headMs: 20 * 300}),
      place('slow', 'r', {answered: 20, headMs: 20 * 900}),
      place('b', 'r', {answered: 20, headMs: 20 * 80}),
      place('c', 'r', {answered: 20, headMs: 20 * 100})
    )
    expect(Object.entries(seen).map(([node, {slow}]) => [node, slow])).toEqual([
      ['far', 0],
      ['slow', 20],
      ['b', 0],
      ['c', 0]
    ])
  })

  it('is a container that starts elsewhere and not there', () => {
    expect(judged(place('a', 'r', {startsFailed: 4}), place('b', 'r', {started: 1}))).toMatchObject({a: {starts: 4, startsFailed: 4}})
    expect(judged(place('a', 'r', {startsFailed: 4}), place('b', 'r', {startsFailed: 1}))).toEqual({})
  })

  it('is a file that it changed, more than many that fail', () => {
    const seen = judged(place('a', 'r', {answered: 4, tampered: 1}), place('b', 'r', {answered: 1}))
    expect(seen).toEqual({a: {...fair, requests: 54, failed: 50}, b: {...fair, requests: 1}})
  })

  it('is, of one org, never more than a share that no flood makes greater', () => {
    const flood = [place('a', 'r', {failed: 1_000_000}), place('b', 'r', {answered: 1_000_000})]
    const others = [place('a', 's', {org: 'other', answered: 80}), place('b', 's', {org: 'other', answered: 80})]
    expect(judged(...flood, ...others)).toMatchObject({a: {requests: 180, failed: 100}, b: {requests: 180, failed: 0}})
  })

  it('is not that all lines break at once', () => {
    const conduct = new NodeConduct()
    for (const node of ['a', 'b', 'c']) conduct.cut(node)
    expect(conduct.take()).toEqual([])
    for (const node of ['a', 'a', 'b']) conduct.cut(node)
    expect(conduct.take()).toEqual([
      {node: 'a', requests: 0, ...fair, cuts: 2},
      {node: 'b', requests: 0, ...fair, cuts: 1}
    ])
    expect(conduct.take()).toEqual([])
  })

  it('goes with the report that it was counted for', () => {
    const conduct = new NodeConduct()
    const by = {node: 'a', revision: {id: 'r', org: 'acme'}, place: undefined}
    for (let count = 0; count < 3; count += 1) conduct.request(by, 'answered', 5)
    expect(conduct.take()).toMatchObject([{node: 'a', requests: 3}])
    conduct.request(by, 'answered', 5)
    expect(conduct.take()).toMatchObject([{node: 'a', requests: 1}])
  })
})

let world: GatewayWorld | undefined
afterEach(() => world?.close())

it('a gateway tells what it saw of its nodes, and says again what did not arrive', {timeout: 120_000}, async () => {
  const reports: ConductReport[] = []
  let isAway = true
  const conductSink = {
    reportConduct: async (report: ConductReport) => {
      reports.push(report)
      if (isAway) throw Object.assign(new Error('away'), {code: 'unavailable'})
    }
  }
  world = await openGatewayWorld({conduct: {sink: conductSink, everyMs: 20}})
  const {ask, gateway} = world
  const good = await world.addMiner({serve: (_request, response) => void response.end('fine')})
  for (let count = 0; count < 12; count += 1) expect((await ask('/')).status).toBe(200)
  await expect.poll(() => reports.length, PATIENCE).toBeGreaterThan(1)
  expect(new Set(reports.map((report) => JSON.stringify(report))).size).toBe(1)
  isAway = false
  const told = (): number => {
    const all = [...new Map(reports.map((report) => [report.untilMs, report])).values()]
    return all.flatMap(({nodes}) => nodes).reduce((sum, {node, requests}) => sum + (node === good.node ? requests : 0), 0)
  }
  await expect.poll(told, PATIENCE).toBe(12)
  expect(reports[0]).toMatchObject({gateway: gateway.id, nodes: [{node: good.node, failed: 0}]})
  expect(world.fatal).toEqual([])
})
