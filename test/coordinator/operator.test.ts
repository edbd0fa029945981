import {readFile} from 'node:fs/promises'
import {request} from 'node:http'
import {connect} from 'node:net'
import {text} from 'node:stream/consumers'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {visible} from '../../src/coordinator/operator/visible.ts'
import type {Heartbeat} from '../../src/core/protocol/api.ts'
import {operatorViewSchema} from '../../src/core/protocol/operator.ts'
import {bodyOfTold, timeOfStart} from '../../src/ledger/group.ts'
import {type Node, type Person, startWorld} from './coordinator-world.ts'

const HOSTILE = '<script>alert(1)</script>\u202egnp.exe\u2066 \u0007"\'&'
let world: Awaited<ReturnType<typeof startWorld>>
let org: Person
let node: Node

beforeAll(async () => {
  world = await startWorld()
  org = await world.actors.colibris()
  node = await world.actors.node(org)
  await beat()
  const {lease} = await world.actors.leased(node)
  const line = {revision: lease.revision, instance: 'i-1', atMs: Date.now(), line: HOSTILE, failure: {reason: 'crash', exitCode: 1}}
  await beat({logs: [line]})
  await world.actors.ask('GET', '/v1/nowhere')
  await world.actors.ask('GET', '/v2/')
})
afterAll(() => world.close())

/** Said again before what counts nodes: one that is silent for half a minute is lost, however slow this machine is. */
function beat(changes: Partial<Heartbeat> = {}): Promise<unknown> {
  return world.actors.heartbeat(node, {version: HOSTILE.slice(0, 30), instances: 2, ...changes})
}

async function view() {
  return operatorViewSchema.parse((await world.actors.ask('GET', '/operator/data')).json)
}

/** Fetch can't send these headers. */
function statusFor(headers: Record<string, string>, path = '/operator'): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(new URL(path, world.actors.url), {headers}, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .on('error', reject)
      .end()
  })
}

const metrics = async (): Promise<string[]> => (await (await fetch(`${world.actors.url}/metrics`)).text()).split('\n')

describe("the operator's page", () => {
  it('is small, runs only its own two files, and loads nothing from anywhere else', async () => {
    const files = await Promise.all(['', '/page.css', '/page.js'].map((path) => fetch(`${world.actors.url}/operator${path}`)))
    const [html = '', css = '', js = ''] = await Promise.all(files.map((file) => file.text()))
    expect(files.map(({status, headers}) => [status, headers.get('content-type')])).toEqual([
      [200, 'text/html; charset=utf-8'],
      [200, 'text/css; charset=utf-8'],
      [200, 'text/javascript; charset=utf-8']
    ])
    for (const {headers} of files) {
      const policy = headers.get('content-security-policy')
      expect(policy).toMatch(/^default-src 'none'; script-src 'self';.*require-trusted-types-for 'script'$/)
      expect(policy).not.toContain('unsafe')
      expect([headers.get('x-content-type-options'), headers.get('x-frame-options')]).toEqual(['nosniff', 'DENY'])
    }
    expect(html.length + css.length + js.length).toBeLessThan(30_000)
    expect(html.match(/(?:src|href)="[^"]*"/g)).toEqual(['href="data:,"', 'href="/operator/page.css"', 'src="/operator/page.js"'])
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style| style=| on\w+=/)
    expect(css).not.toMatch(/url\(|@import/)
    expect(js).not.toMatch(/innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|https?:/)
  })

  it('has a place for everything that its script looks for', async () => {
    const [html, js] = await Promise.all(['page.html', 'page.js'].map((file) => readFile(`packaging/operator/${file}`, 'utf8')))
    const ids = new Set([...(html ?? '').matchAll(/ id="([\w-]+)"/g)].map(([, id]) => id))
    const wanted = [...(js ?? '').matchAll(/(?:\$|show)\('([\w-]+)'/g)].map(([, id]) => id)
    expect(wanted.length).toBeGreaterThan(6)
    expect(wanted.filter((id) => !ids.has(id))).toEqual([])
  })

  it.each([
    ['a name that leads here', {host: 'evil.example'}],
    ['a proxy on this machine', {'x-forwarded-for': '203.0.113.7'}],
    ['a proxy on this machine, as RFC 7239 says it', {forwarded: 'for=203.0.113.7'}],
    ['a proxy that says only how it was asked', {'x-forwarded-proto': 'https'}],
    ['a proxy that says for whom it asks in a way of its own', {'x-real-ip': '203.0.113.7'}],
    ['a page of another origin', {'sec-fetch-site': 'cross-site'}]
  ])('is not shown through %s', async (_what, headers) => {
    for (const path of ['/operator', '/operator/data', '/operator/page.js']) expect(await statusFor({...headers}, path)).toBe(403)
  })

  it('is not shown through a proxy that adds no header and speaks HTTP/1.0', async () => {
    const {port} = new URL(world.actors.url)
    const socket = connect({host: '127.0.0.1', port: Number(port)})
    socket.end('GET /operator HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n')
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 403 /)
  })

  it('is shown to who is here, by any name of this machine', async () => {
    const {port} = new URL(world.actors.url)
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) expect(await statusFor({host: `${host}:${port}`})).toBe(200)
  })

  it('shows nodes, functions, pools, errors and groups', async () => {
    await beat()
    const seen = await view()
    expect(seen.nodes).toMatchObject({states: {there: 1}, rows: [{id: node.id, state: 'there', leases: 1, instances: 2}]})
    expect(seen.functions).toMatchObject({total: 1, wanted: 2, held: 1, rows: [{function: 'colibris/garden/api', wanted: 2, held: 1}]})
    expect(seen.functions.rows[0]?.lastFailure).toMatchObject({reason: 'crash'})
    expect(seen.pools.rows).toMatchObject([{incentive: 'colibris/LEAF', decimals: 2, paidLastDayMinor: 0, daysLeft: null}])
    expect((seen.pools.rows[0]?.poolMinor ?? 0) + (seen.pools.rows[0]?.reservedMinor ?? 0)).toBe(100_000)
    expect(seen.errors.api).toContainEqual({code: 'not_found', count: 1})
    expect(seen.errors.registry).toEqual([{code: 'unauthorized', count: 1}])
    const {json} = await world.actors.ask('GET', '/v1/journal?from=1&limit=100')
    const groups = (json as unknown as {groups: {number: number; hash: string; lastSeq: number; form: number; body: string}[]}).groups
    expect(seen.groups.map(({number, hash, lastSeq, atMs}) => [number, hash, lastSeq, atMs])).toEqual(
      groups
        .map(({number, hash, lastSeq, ...told}) => [number, hash, lastSeq, timeOfStart(bodyOfTold(told))])
        .reverse()
        .slice(0, seen.groups.length)
    )
    expect(seen.groups.length).toBeGreaterThan(3)
  })

  it('says what hostile programs say in plain letters', async () => {
    const text = JSON.stringify(await view())
    expect(text).toContain('<script>alert(1)</script> gnp.exe')
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  })
})

it('shows a node that is silent for too long as lost, but none that was silent while the coordinator slept', async () => {
  let [aheadMs, sleptMs] = [0, 0]
  const other = await startWorld({nowMs: () => Date.now() + aheadMs + sleptMs, monotonicMs: () => performance.now() + aheadMs})
  try {
    await other.actors.heartbeat(await other.actors.node(await other.actors.colibris()))
    const states = async () => operatorViewSchema.parse((await other.actors.ask('GET', '/operator/data')).json).nodes.states
    sleptMs = 60_000
    await expect.poll(states, {timeout: 20_000}).toMatchObject({there: 1, lost: 0})
    aheadMs = 60_000
    await expect.poll(states, {timeout: 20_000}).toMatchObject({there: 0, lost: 1})
  } finally {
    await other.close()
  }
})

it('makes text of others visible: one line, no turned direction, no letters that are not seen', () => {
  expect(visible('a\u202eb\u2066c\u0000d\ne\u200bf\ufeff')).toBe('a b c d e f')
  expect(visible('Ada Lovelace, مرحبا, 日本')).toBe('Ada Lovelace, مرحبا, 日本')
  expect(visible('x'.repeat(500))).toHaveLength(200)
})

describe('numbers for Prometheus', () => {
  it('say how the network is', async () => {
    await beat()
    const shown = await metrics()
    for (const line of [
      'creo_nodes{state="there"} 1',
      'creo_nodes{state="lost"} 0',
      'creo_functions 1',
      'creo_leases_wanted 2',
      'creo_leases_held 1',
      'creo_ledger_queued_commands 0',
      'creo_events_watchers 0'
    ])
      expect(shown).toContain(line)
    expect(Number(shown.find((line) => line.startsWith('creo_pool_left_minor{incentive="colibris/LEAF"}'))?.split(' ')[1])).toBeGreaterThan(
      0
    )
  })

  it('count what the registry refuses, and how long the disk took for each group', async () => {
    const before = await metrics()
    expect(before).toContain('creo_registry_errors_total{code="unauthorized"} 1')
    await world.actors.ask('GET', '/v2/')
    const after = await metrics()
    expect(after).toContain('creo_registry_errors_total{code="unauthorized"} 2')
    const of = (name: string): number => Number(after.find((line) => line.startsWith(`${name} `))?.split(' ')[1])
    expect(of('creo_ledger_commit_seconds_count')).toBe(of('creo_ledger_groups_total'))
    expect(of('creo_ledger_commit_seconds_sum')).toBeGreaterThan(0)
  })

  it('are named and described once each, as Prometheus wants it', async () => {
    const shown = await metrics()
    const named = shown.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' '))
    expect(new Set(named.map(([, , name]) => name)).size).toBe(named.length)
    for (const [, , name = '', type] of named) {
      expect(name).toMatch(/^creo_[a-z_]+$/)
      expect(name.endsWith('_total')).toBe(type === 'counter')
      if (type === 'histogram') expect(name).toMatch(/_seconds$/)
    }
  })
})
