import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {pino} from 'pino'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {Cron} from '../../src/coordinator/cron/cron.ts'
import {CreoError} from '../../src/core/errors.ts'
import type {ScheduledCall} from '../../src/core/protocol/async.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import type {CronLine} from '../../src/core/protocol/revisions.ts'
import {signCommand} from '../../src/identity/commands.ts'
import {generateKeyPair, type KeyPair, loadKeyFile} from '../../src/identity/keys.ts'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import type {GatewayView, Ledger} from '../../src/ledger/port.ts'
import {makeNetwork, temporaryFolder} from './coordinator-world.ts'

const MINUTE_MS = 60_000
/** A whole hour long after the network began. */
const HOUR = Date.UTC(2030, 0, 1, 12)

const spec = {
  command: [],
  port: 8080,
  memoryBytes: 64 * 2 ** 20,
  cpuMillis: 100,
  concurrency: 1,
  timeoutMs: 1000,
  scaleMin: 0,
  scaleMax: 1,
  env: {},
  egress: [],
  rewards: []
}

describe('schedules', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let ledger: Ledger
  let key: KeyPair
  let operator: KeyPair
  let org: {id: string; key: KeyPair}
  let nowMs: number
  let cron: Cron
  let handed: {gateway: string; call: ScheduledCall}[]
  /** What a gateway does with a call; nothing: it takes it. */
  let onHand: (gateway: GatewayView, call: ScheduledCall) => Promise<void> | undefined
  let commands = 0
  const {signal} = new AbortController()

  const open = (): Cron =>
    new Cron({
      path: join(folder.path, 'cron.sqlite'),
      ledger,
      key,
      log: pino({level: 'silent'}),
      calls: {
        hand: async (gateway, call) => {
          handed.push({gateway: gateway.name, call})
          await onHand(gateway, call)
        },
        find: async (_, id) => ({
          ...{id, function: 'f', method: 'POST', target: '/', attempts: 2, acceptedAtMs: nowMs, endedAtMs: nowMs},
          state: 'succeeded',
          result: {status: 204, headers: {}, body: '', encoding: 'utf8', truncated: false}
        })
      }
    })
  const apply = async (account: string, by: KeyPair, body: CommandBody): Promise<Record<string, unknown>> => {
    commands += 1
    const signed = {network: ledger.networkId, account, key: by, idempotencyKey: `c${commands}`, notAfterMs: nowMs + MINUTE_MS, body}
    const answer = await ledger.submit(signCommand(signed), signal)
    if (answer.status !== 'applied') throw new Error(JSON.stringify(answer))
    await ledger.projected(answer.seq, signal)
    return answer.result
  }
  /** A tick sees it: in force from then on. */
  const deploy = async (lines: readonly CronLine[]): Promise<void> => {
    await apply(org.id, org.key, {
      type: 'revision.deploy',
      app: 'garden',
      revisions: ['api', 'two', 'three'].flatMap((name, index) => {
        const cron = lines.slice(index * 16, index * 16 + 16)
        if (index > 0 && cron.length === 0) return []
        return [{function: name, imageDigest: `sha256:${'a'.repeat(64)}`, spec: {...spec, ...(cron.length > 0 && {cron})}}]
      }),
      routes: [{path: '/', function: 'api'}]
    })
    cron.tick(signal)
  }
  const admit = (name: string): Promise<unknown> => {
    const {publicKey} = generateKeyPair()
    return apply('operator', operator, {
      type: 'gateway.admit',
      publicKey,
      name,
      tunnelUrl: 'http://127.0.0.1:1',
      publicUrl: 'http://127.0.0.1:2'
    })
  }
  /** Lets the clock come to `ms` after the hour, and everything be handed that is due then. */
  const at = async (ms: number): Promise<void> => {
    nowMs = HOUR + ms
    cron.tick(signal)
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  const times = (): number[] => handed.map(({call}) => call.scheduledAtMs - HOUR)

  beforeEach(async () => {
    folder = await temporaryFolder()
    await makeNetwork(folder.path)
    nowMs = HOUR
    handed = []
    onHand = () => undefined
    const genesisText = await readFile(join(folder.path, 'genesis.json'), 'utf8')
    ledger = await openLedger({directory: folder.path, genesisText, now: () => nowMs, signal})
    key = await loadKeyFile(join(folder.path, 'coordinator.key'))
    operator = await loadKeyFile(join(folder.path, 'operator.key'))
    const orgKey = generateKeyPair()
    const {account} = await apply('new', orgKey, {
      type: 'account.create',
      name: 'colibris',
      keys: [{publicKey: orgKey.publicKey, roles: ['owner']}]
    })
    org = {id: String(account), key: orgKey}
    await admit('one')
    cron = open()
  })
  afterEach(async () => {
    await cron.close()
    await ledger.close()
    await folder.remove()
  })

  it('are fired at their time, once each, as a call to the function with an id of its own', async () => {
    await deploy([{schedule: '*/5 * * * *', path: '/water?all=1', method: 'PUT'}])
    for (const ms of [0, MINUTE_MS, 5 * MINUTE_MS - 1]) await at(ms)
    expect(handed).toEqual([])
    for (const ms of [5 * MINUTE_MS, 5 * MINUTE_MS + 1000, 10 * MINUTE_MS + 900]) await at(ms)
    expect(times()).toEqual([5 * MINUTE_MS, 10 * MINUTE_MS])
    expect(handed[0]?.call).toMatchObject({org: 'colibris', app: 'garden', function: 'api', method: 'PUT', path: '/water?all=1'})
    expect(new Set(handed.map(({call}) => call.id)).size).toBe(2)
  })

  it('of which times were missed are fired once, for the last of them', async () => {
    await deploy([{schedule: '*/5 * * * *', path: '/'}])
    await at(5 * MINUTE_MS)
    await cron.close()
    cron = open()
    await at(63 * MINUTE_MS)
    await at(64 * MINUTE_MS)
    expect(times()).toEqual([5 * MINUTE_MS, 60 * MINUTE_MS])
  })

  it('do not make up for what came due before they were deployed, nor for a time without them', async () => {
    const lines = [{schedule: '*/5 * * * *', path: '/'}]
    nowMs = HOUR + 7 * MINUTE_MS
    await deploy(lines)
    await at(8 * MINUTE_MS)
    expect(times()).toEqual([])
    await at(10 * MINUTE_MS)
    await deploy([])
    nowMs = HOUR + 17 * MINUTE_MS
    await deploy(lines)
    await at(18 * MINUTE_MS)
    await at(20 * MINUTE_MS)
    expect(times()).toEqual([10 * MINUTE_MS, 20 * MINUTE_MS])
  })

  it('go on where they were after a deploy that leaves them as they are', async () => {
    const lines = [{schedule: '*/5 * * * *', path: '/'}]
    await deploy(lines)
    await at(5 * MINUTE_MS)
    await deploy(lines)
    await at(5 * MINUTE_MS + 1000)
    expect(times()).toEqual([5 * MINUTE_MS])
  })

  it('hand the same call in again after a kill between firing and its answer, and to the same gateway first', async () => {
    for (const name of ['two', 'three']) await admit(name)
    await deploy([{schedule: '0 * * * *', path: '/'}])
    onHand = () => new Promise(() => undefined)
    await at(60 * MINUTE_MS)
    // The process is gone: nobody closes anything.
    onHand = () => undefined
    cron = open()
    await at(60 * MINUTE_MS + 5000)
    await at(60 * MINUTE_MS + 6000)
    expect(handed).toHaveLength(2)
    expect(handed[1]).toEqual(handed[0])
  })

  it('turn to the next gateway when one is gone, and wait ever longer while all are', async () => {
    await admit('two')
    await deploy([{schedule: '0 * * * *', path: '/'}])
    const gone = new CreoError('unavailable', 'gone')
    onHand = () => Promise.reject(gone)
    await at(60 * MINUTE_MS)
    expect(new Set(handed.map(({gateway}) => gateway))).toEqual(new Set(['one', 'two']))
    for (const ms of [500, 1000, 2000, 3000]) await at(60 * MINUTE_MS + ms)
    expect(handed).toHaveLength(6)
    const [first] = handed
    onHand = ({name}) => (name === first?.gateway ? Promise.reject(gone) : undefined)
    await at(60 * MINUTE_MS + 7000)
    await at(60 * MINUTE_MS + 60_000)
    expect(handed).toHaveLength(8)
    expect(new Set(handed.map(({call}) => call.id)).size).toBe(1)
  })

  it('pass over a gateway that is gone for a minute, and turn to it again then', async () => {
    await admit('two')
    await deploy(Array.from({length: 16}, (_, index) => ({schedule: '* * * * *', path: `/${index}`})))
    onHand = ({name}) => {
      if (name !== 'one') return undefined
      nowMs += 300
      return Promise.reject(new CreoError('unavailable', 'gone'))
    }
    const asked: boolean[] = []
    for (const minute of [5, 6, 8]) {
      handed = []
      await at(minute * MINUTE_MS)
      asked.push(handed.some(({gateway}) => gateway === 'one'))
      expect(handed.filter(({gateway}) => gateway === 'two')).toHaveLength(16)
    }
    expect(asked).toEqual([true, false, true])
  })

  it('all come to a gateway, however many of them wait and are refused again and again', async () => {
    const count = 48
    await deploy(Array.from({length: count}, (_, index) => ({schedule: '0 * * * *', path: `/${index}`})))
    onHand = () => Promise.reject(new CreoError('unavailable', 'gone'))
    for (let second = 0; second < 5; second += 1) await at(60 * MINUTE_MS + second * 60_000)
    expect(new Set(handed.map(({call}) => call.path)).size).toBe(count)
  })

  it('give a call that no gateway took up for a newer one of the same schedule', async () => {
    await deploy([{schedule: '*/5 * * * *', path: '/'}])
    onHand = () => Promise.reject(new CreoError('unavailable', 'gone'))
    await at(5 * MINUTE_MS)
    onHand = () => undefined
    await at(10 * MINUTE_MS)
    await at(12 * MINUTE_MS)
    expect(times()).toEqual([5 * MINUTE_MS, 10 * MINUTE_MS])
  })

  it('are in the times of their zone, also over a change of its clock', async () => {
    nowMs = Date.UTC(2030, 2, 30, 12)
    await deploy([{schedule: '30 7 * * *', path: '/', timezone: 'Europe/Berlin'}])
    const fired: string[] = []
    onHand = (_, call) => void fired.push(new Date(call.scheduledAtMs).toISOString())
    for (const ms of [0, 24, 48, 72].map((hours) => Date.UTC(2030, 2, 30, 12) - HOUR + hours * 60 * MINUTE_MS)) await at(ms)
    expect(fired).toEqual(['2030-03-31T05:30:00.000Z', '2030-04-01T05:30:00.000Z', '2030-04-02T05:30:00.000Z'])
  })

  it('are listed with their next time and what came of the last one', async () => {
    await deploy([
      {schedule: '*/5 * * * *', path: '/five'},
      {schedule: '0 0 30 2 *', path: '/never'},
      {schedule: '* * * * *', path: '/mars', timezone: 'Mars/Olympus'}
    ])
    await at(5 * MINUTE_MS)
    const listed = await cron.list({org: 'colibris', app: 'garden'}, signal)
    expect(listed).toMatchObject([
      {
        function: 'api',
        schedule: '*/5 * * * *',
        timezone: 'UTC',
        nextAtMs: HOUR + 10 * MINUTE_MS,
        last: {scheduledAtMs: HOUR + 5 * MINUTE_MS, state: 'succeeded', status: 204}
      },
      {path: '/never', nextAtMs: null, last: null},
      {path: '/mars', nextAtMs: null, last: null}
    ])
  })
})
