import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {initializeNetwork} from '../../src/coordinator/init-network.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import type {RevisionSpec} from '../../src/core/protocol/revisions.ts'
import {generateKeyPair, type KeyPair, loadKeyFile, nodeIdOf, sha256Hex} from '../../src/identity/keys.ts'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import {Founder, type Signer} from './founder.ts'

const NODES_PER_OWNER = 10
const ORGS = 20
/** Two orgs that a node works for besides the one that the rounds deploy for lie so far apart. */
const ORG_STEP = 7
const FUNCTIONS_PER_APP = 60
export const NODES_PER_FUNCTION = 100
/** Of the 20 functions that each node holds in the end; the rounds bring the others. */
const FUNCTIONS_BEFORE = 18
const LEASE_TERM_MS = 7 * 24 * 3_600_000
const SUPPLY_MINOR = 10 ** 12

/** Who deploys while it is measured. */
export const BENCH_ORG = 'bench'

export interface BenchNode {
  readonly key: KeyPair
  readonly earn: readonly string[]
}

export interface NetworkAtScale {
  readonly networkId: string
  readonly coordinatorKey: string
  readonly org: {readonly id: string; readonly key: KeyPair}
  readonly nodes: readonly BenchNode[]
}

/**
 * Makes the ledger of a network as it would be after a while: owners with ten nodes each, twenty orgs whose functions are leased to a hundred nodes each
 * and pay an incentive of their own, and one more org. Every command is signed and journaled; HTTP is left out, and the check of what was just signed.
 */
export async function makeNetworkAtScale(directory: string, nodeCount: number, signal: AbortSignal): Promise<NetworkAtScale> {
  const choices = {network: 'production', name: 'bench', exchangeOrg: 'creometry', emission: {epochMs: 3_600_000}} as const
  const made = await initializeNetwork(directory, choices, {nowMs: Date.now(), ifMissing: false})
  const genesisText = await readFile(join(directory, 'genesis.json'), 'utf8')
  const ledger = await openLedger({directory, genesisText, now: Date.now, signal})
  try {
    const founder = new Founder(ledger, signal)
    const coordinator = {id: 'coordinator', key: await loadKeyFile(join(directory, 'coordinator.key'))}
    await founder.account('creometry', {id: 'operator', key: await loadKeyFile(made.operatorKeyPath)})
    const nodes = await makeNodes(founder, nodeCount)
    const names = Array.from({length: ORGS}, (_none, index) => `org${String.fromCharCode(97 + index)}`)
    for (const [index, name] of names.entries()) {
      const own = nodes.filter((_node, at) => at % ORGS === index || (at + ORG_STEP) % ORGS === index)
      await leaseOut(founder, {name, nodes: own, coordinator})
    }
    const org = await makeOrg(founder, BENCH_ORG)
    const earnOf = (at: number): string[] => [`org:${names[at % ORGS]}`, `org:${names[(at + ORG_STEP) % ORGS]}`, `org:${BENCH_ORG}`]
    return {
      networkId: made.networkId,
      coordinatorKey: made.coordinatorKey,
      org,
      nodes: nodes.map((key, at) => ({key, earn: earnOf(at)}))
    }
  } finally {
    await ledger.close()
  }
}

async function makeNodes(founder: Founder, count: number): Promise<readonly KeyPair[]> {
  const keys = Array.from({length: count}, () => generateKeyPair())
  const owners: Signer[] = []
  for (let at = 0; at < count; at += NODES_PER_OWNER) owners.push(await founder.account(`owner${at / NODES_PER_OWNER}`))
  const expiresAtMs = Date.now() + 3_600_000
  const tokens = keys.map((key, at) => ({
    key,
    owner: owners[Math.floor(at / NODES_PER_OWNER)] as Signer,
    tokenHash: sha256Hex(`token ${at}`)
  }))
  await founder.all(tokens.map(({owner, tokenHash}) => ({by: owner, body: {type: 'node.token', tokenHash, expiresAtMs}})))
  await founder.all(
    tokens.map(({key, owner, tokenHash}, at) => ({
      by: {id: 'new', key},
      body: {type: 'node.enroll', publicKey: key.publicKey, tokenHash, owner: owner.id, name: `node ${at}`, architecture: 'amd64'}
    }))
  )
  return keys
}

/** An org with an incentive and a pool of it. */
async function makeOrg(founder: Founder, name: string): Promise<Signer> {
  const org = await founder.account(name)
  await founder.one(org, {
    type: 'incentive.issue',
    code: 'WORK',
    name: 'Work',
    decimals: 2,
    lotMinor: 100,
    supplyMinor: SUPPLY_MINOR,
    tradeVolumeLimitMicroGutta: 1_000_000_000,
    captured: 'return',
    transferable: false,
    firstOffer: {item: 'An hour', priceMinor: 500, stock: 10, where: 'in-app'}
  })
  await founder.one(org, {type: 'pool.fund', incentive: `${name}/WORK`, amountMinor: SUPPLY_MINOR})
  return org
}

/** So many functions of one app, as a deploy brings them. */
export function deployBody(org: string, app: string, count: number): Extract<CommandBody, {type: 'revision.deploy'}> {
  const spec: RevisionSpec = {
    command: ['node', '/app/server.mjs'],
    port: 8080,
    memoryBytes: 128 * 2 ** 20,
    cpuMillis: 500,
    concurrency: 20,
    timeoutMs: 30_000,
    scaleMin: 0,
    scaleMax: NODES_PER_FUNCTION,
    env: {LANGUAGE: 'en', REGION: 'here'},
    egress: [],
    rewards: [{incentive: `${org}/WORK`, requestsPerMillionMinor: 100, mibMsPerMillionMinor: 1, dailyBudgetMinor: 1_000_000}]
  }
  const names = Array.from({length: count}, (_none, at) => `f${at}`)
  return {
    type: 'revision.deploy',
    app,
    revisions: names.map((name, at) => ({function: name, imageDigest: `sha256:${at.toString(16).padStart(64, '0')}`, spec})),
    routes: names.map((name) => ({path: `/${name}`, function: name}))
  }
}

async function leaseOut(
  founder: Founder,
  {name, nodes, coordinator}: {readonly name: string; readonly nodes: readonly KeyPair[]; readonly coordinator: Signer}
): Promise<void> {
  const org = await makeOrg(founder, name)
  const count = Math.floor((nodes.length * (FUNCTIONS_BEFORE / 2)) / NODES_PER_FUNCTION)
  const revisions: string[] = []
  for (let from = 0; from < count; from += FUNCTIONS_PER_APP) {
    const body = deployBody(name, `app${from / FUNCTIONS_PER_APP}`, Math.min(FUNCTIONS_PER_APP, count - from))
    const result = await founder.one(org, body)
    revisions.push(...(result.revisions as {revision: string}[]).map(({revision}) => revision))
  }
  const ids = nodes.map((key) => nodeIdOf(key.publicKey))
  const endsAtMs = Date.now() + LEASE_TERM_MS
  const budgets = [{incentive: `${name}/WORK`, amountMinor: 1_000_000 / NODES_PER_FUNCTION}]
  const grants = revisions.flatMap((revision, at) =>
    Array.from({length: NODES_PER_FUNCTION}, (_none, place) => {
      const node = ids[(at * NODES_PER_FUNCTION + place) % ids.length] ?? ''
      return {by: coordinator, body: {type: 'lease.grant' as const, node, revision, endsAtMs, budgets}}
    })
  )
  await founder.all(grants)
}
