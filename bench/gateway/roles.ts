import {createPrivateKey} from 'node:crypto'
import {z} from 'zod'
import {assetListRefSchema} from '../../src/core/protocol/assets.ts'
import {type RoutesTable, routesTableSchema} from '../../src/core/protocol/tables.ts'
import {gatewayIdOf, type KeyPair, keyPairOf, nodeIdOf} from '../../src/identity/keys.ts'
import {signTable} from '../../src/identity/tables.ts'

/** What the processes of the bench agree on; keys travel as PKCS#8, base64url. */
export const setupSchema = z.object({
  network: z.string(),
  directory: z.string(),
  coordinator: z.string(),
  gateway: z.string(),
  node: z.string(),
  /** Where the function listens. */
  functionSocket: z.string(),
  /** Further nodes, each a process of its own. */
  moreNodes: z.array(z.string()),
  /** Where the instances of this node listen on loopback, instead of at the socket; as many run from the beginning on each node. */
  functionPorts: z.array(z.int()).min(1).optional(),
  concurrency: z.int().optional(),
  assets: assetListRefSchema.optional(),
  tunnelUrl: z.string()
})
export type Setup = z.output<typeof setupSchema>

export function keyOf(pkcs8: string): KeyPair {
  return keyPairOf(createPrivateKey({key: Buffer.from(pkcs8, 'base64url'), format: 'der', type: 'pkcs8'}))
}

export const HOST = 'bench--creo.localhost'
const HOUR_MS = 3_600_000
const MONTH_MS = 720 * HOUR_MS

/** One function, the nodes that may run it, and a reward that never runs out. */
export function benchTable(setup: Setup, nowMs: number) {
  const gateway = keyOf(setup.gateway)
  const nodes = [setup.node, ...setup.moreNodes].map((key) => keyOf(key).publicKey)
  const imageDigest = `sha256:${'0'.repeat(64)}`
  const table: RoutesTable = {
    kind: 'routes',
    apps: [{org: 'creo', app: 'bench', routes: [{path: '/', function: 'answer'}], functions: [{function: 'answer', revision: 'rev_1'}]}],
    revisions: [
      {
        id: 'rev_1',
        org: 'creo',
        app: 'bench',
        function: 'answer',
        imageDigest,
        spec: {
          command: [],
          port: 8080,
          memoryBytes: 64 * 2 ** 20,
          cpuMillis: 1000,
          concurrency: setup.concurrency ?? 100,
          timeoutMs: HOUR_MS,
          scaleMin: (setup.functionPorts?.length ?? 0) * nodes.length,
          scaleMax: (setup.functionPorts?.length ?? 1) * nodes.length,
          env: {},
          egress: [],
          ...(setup.assets !== undefined && {assets: setup.assets}),
          rewards: [{incentive: 'creo/WORK', requestsPerMillionMinor: 1, mibMsPerMillionMinor: 1, dailyBudgetMinor: 1_000_000_000}]
        }
      }
    ],
    leases: nodes.map((publicKey, at) => ({
      id: `lea_${at + 1}`,
      node: nodeIdOf(publicKey),
      revision: 'rev_1',
      startsAtMs: nowMs,
      endsAtMs: nowMs + MONTH_MS,
      budgets: [{incentive: 'creo/WORK', amountMinor: 1_000_000_000}]
    })),
    nodes: nodes.map((publicKey) => ({id: nodeIdOf(publicKey), publicKey, owner: `acc_${'0'.repeat(32)}`})),
    gateways: [
      {
        id: gatewayIdOf(gateway.publicKey),
        publicKey: gateway.publicKey,
        name: 'bench',
        tunnelUrl: 'http://127.0.0.1:1',
        publicUrl: 'http://localhost:1'
      }
    ]
  }
  return signTable({network: setup.network, version: 1, body: z.encode(routesTableSchema, table), key: keyOf(setup.coordinator)})
}
