import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {onTestFinished} from 'vitest'
import type {ReceiptProposal} from '../../src/core/protocol/receipts.ts'
import type {RevisionSpec} from '../../src/core/protocol/revisions.ts'
import type {RevisionEntry} from '../../src/core/protocol/tables.ts'
import {gatewayIdOf, generateKeyPair, type KeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {signProposal} from '../../src/identity/receipts.ts'
import type {ContainerRuntime} from '../../src/runtime/port.ts'
import {createLog} from '../../src/telemetry/log.ts'
import {LEASE} from './lease.ts'

export const NETWORK = 'ab'.repeat(32)
export const MIB = 2 ** 20
export const quietLog = createLog({role: 'miner', env: {CREO_LOG_LEVEL: process.env.CREO_LOG_LEVEL ?? 'silent'}})

/** A short path: a unix socket's has 107 bytes at most. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'creo-'))
  onTestFinished(() => rm(path, {recursive: true, force: true}))
  return path
}

/** What it has under way is on disk before the test's folder goes. */
export async function finished<World extends {readonly names: {readonly saved: Promise<void>}}>(making: Promise<World>): Promise<World> {
  const world = await making
  onTestFinished(() => world.names.saved)
  return world
}

/** A runtime that does some things otherwise. */
export function changedRuntime(runtime: ContainerRuntime, changes: Partial<ContainerRuntime>): ContainerRuntime {
  return {
    name: runtime.name,
    probe: (signal) => runtime.probe(signal),
    prepare: (image, signal) => runtime.prepare(image, signal),
    start: (spec, signal) => runtime.start(spec, signal),
    create: (spec, tier, signal) => runtime.create(spec, tier, signal),
    list: (signal) => runtime.list(signal),
    prune: (keep, signal) => runtime.prune(keep, signal),
    close: () => runtime.close(),
    ...changes
  }
}

export function spec(changes: Partial<RevisionSpec> = {}): RevisionSpec {
  const sizes = {memoryBytes: 64 * MIB, cpuMillis: 100, concurrency: 10, timeoutMs: 10_000, scaleMin: 0, scaleMax: 10}
  return {command: [], port: 8080, ...sizes, env: {}, egress: [], rewards: [...LEASE.rewards], ...changes}
}

export function revisionEntry(imageDigest: string, changes: Partial<RevisionSpec> = {}): RevisionEntry {
  return {id: 'rev_7', org: 'colibris', app: 'shop', function: 'site', imageDigest, spec: spec(changes)}
}

export interface GatewaySide {
  readonly key: KeyPair
  readonly id: string
  readonly publicKey: string
  propose(node: KeyPair, changes?: Partial<ReceiptProposal>): {type: 'propose_receipt'; proposal: string; gatewaySignature: string}
}

export function gatewaySide(network: string = NETWORK): GatewaySide {
  const key = generateKeyPair()
  const id = gatewayIdOf(key.publicKey)
  const propose: GatewaySide['propose'] = (node, changes = {}) => {
    const counted = {requests: 3, requestsFailed: 0, mibMs: 640, bytesIn: 300, bytesOut: 900}
    const when = {window: 1, windowStartMs: 1_000_000, windowMs: 1000}
    const names = {network, gateway: id, node: nodeIdOf(node.publicKey), revision: 'rev_7', lease: 'lea_9'}
    return {type: 'propose_receipt', ...signProposal({v: 'creo-receipt-v1', ...names, ...when, ...counted, ...changes}, key)}
  }
  return {key, id, publicKey: key.publicKey, propose}
}
