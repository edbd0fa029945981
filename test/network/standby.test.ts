import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {z} from 'zod'
import {SCALE_SETTINGS} from '../../src/core/autoscaling.ts'
import {routesTableSchema} from '../../src/core/protocol/tables.ts'
import {createGateway, type Gateway} from '../../src/gateway/gateway.ts'
import {gatewayIdOf, generateKeyPair} from '../../src/identity/keys.ts'
import {openReceipt} from '../../src/identity/receipts.ts'
import {signTable} from '../../src/identity/tables.ts'
import {type World, world} from '../miner/miner-world.ts'
import {quietLog} from '../miner/worlds.ts'

const WAIT = {timeout: 30_000, interval: 50}
/** One minor unit for each second that is stood by for, and nothing else. */
const REWARDS = [
  {
    incentive: 'colibris/LEAF',
    requestsPerMillionMinor: 0,
    mibMsPerMillionMinor: 0,
    standbyMsPerMillionMinor: 1000,
    dailyBudgetMinor: 1_000_000
  }
]

/** A gateway that probes all the time, beside a miner; both are real. */
async function gatewayBeside(w: World): Promise<{readonly gateway: Gateway; readonly key: ReturnType<typeof generateKeyPair>}> {
  const key = generateKeyPair()
  const directory = await mkdtemp(join(tmpdir(), 'creo-standby-'))
  const id = gatewayIdOf(key.publicKey)
  const entry = {id, publicKey: key.publicKey, name: 'gate', tunnelUrl: 'http://127.0.0.1:1', publicUrl: 'http://apps.example:80'}
  const {leases, revisions} = w.table({spec: {rewards: REWARDS}})
  const app = {org: 'colibris', app: 'shop', routes: [], functions: [{function: 'site', revision: 'rev_7'}]}
  const nodes = [{id: w.node, publicKey: w.nodeKey.publicKey, owner: `acc_${'1'.repeat(32)}`}]
  const body = z.encode(
    routesTableSchema,
    routesTableSchema.decode({
      kind: 'routes',
      apps: [app],
      nodes,
      gateways: [entry],
      ...z.encode(routesTableSchema.pick({leases: true, revisions: true}), {leases, revisions})
    })
  )
  const gateway = await createGateway({
    dataDirectory: directory,
    key,
    network: w.coordinator.network,
    coordinatorKey: w.coordinator.key.publicKey,
    source: {
      routesTable: async (after, _waitMs, signal) => {
        if (after >= 1) await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), {once: true}))
        return {signed: signTable({network: w.coordinator.network, version: 1, body, key: w.coordinator.key})}
      }
    },
    listen: {host: '127.0.0.1', port: 0},
    tunnelListen: {host: '127.0.0.1', port: 0},
    log: quietLog,
    now: Date.now,
    monotonicMs: () => performance.now(),
    random: Math.random,
    windowMs: 300,
    scale: {...SCALE_SETTINGS, zeroGraceMs: 0},
    tickMs: 100,
    probes: {meanMs: 1, firstMeanMs: 1, answerMaxMs: 5000, uniform: Math.random},
    onFatal: (error) => {
      throw error
    }
  })
  onTestFinished(async () => {
    await gateway.close()
    await rm(directory, {recursive: true, force: true})
  })
  return {gateway, key}
}

test('a miner that stands by for a gateway’s probes signs the time as it measured it too, and earns it', async () => {
  const w = await world()
  const {gateway, key} = await gatewayBeside(w)
  const beganMs = performance.now()
  const entry = {id: gateway.id, publicKey: key.publicKey, name: 'gate', tunnelUrl: gateway.tunnelUrl, publicUrl: gateway.publicUrl}
  const table = w.table({spec: {rewards: REWARDS}})
  w.coordinator.setTable({...table, gateways: [entry]})
  const miner = await w.miner()
  const paidMinor = (): number => miner.status.earnings[0]?.paidMinor ?? 0
  await expect.poll(paidMinor, WAIT).toBeGreaterThanOrEqual(2)
  const lastedMs = performance.now() - beganMs
  const receipts = [...w.coordinator.receipts.values()].map((receipt) => openReceipt(receipt))
  const stood = receipts.filter(({proposal}) => (proposal.standbyMs ?? 0) > 0)
  const attestedMs = stood.reduce((sum, {attestation}) => sum + (attestation.standbyMs ?? 0), 0)
  expect(attestedMs).toBeGreaterThanOrEqual(2000)
  expect(attestedMs).toBeLessThan(lastedMs)
  for (const {proposal, attestation} of stood) expect(attestation.standbyMs ?? 0).toBeLessThanOrEqual(proposal.standbyMs ?? 0)
  // What ran for a probe is work like any other, and no request; its window may close after those in which the miner only stood by.
  const opened = () => [...w.coordinator.receipts.values()].map((receipt) => openReceipt(receipt).proposal)
  const ran = () => opened().some(({mibMs, standbyMs}) => mibMs > 0 && standbyMs === undefined)
  await expect.poll(ran, WAIT).toBe(true)
  expect(opened().every(({requests}) => requests === 0)).toBe(true)
  await miner.drain()
})
