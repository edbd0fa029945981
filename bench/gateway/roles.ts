import {createPrivateKey} from 'node:crypto'
import {z} from 'zod'
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
  tunnelUrl: z.string()
})
export type Setup = z.output<typeof setupSchema>

export function keyOf(pkcs8: string): KeyPair {
  return keyPairOf(createPrivateKey({key: Buffer.from(pkcs8, 'base64url'), format: 'der', type: 'pkcs8'}))
}

export const HOST = 'bench--creo.localhost'
const MONTH_MS = 30 * 86_400_000

/** One function, one miner that may run it, and a reward that never runs out. */
export function benchTable(setup: Setup, nowMs: number) {
  const gateway = keyOf(setup.gateway)
  const node = keyOf(setup.node)
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
          concurrency: 100,
          timeoutMs: 60_000,
          scaleMin: 0,
          scaleMax: 1,
          env: {},
          egress: [],
          rewards: [{incentive: 'creo/WORK', requestsPerMillionMinor: 1, mibMsPerMillionMinor: 1, dailyBudgetMinor: 1_000_000_000}]
        }
      }
    ],
    leases: [
      {
        id: 'lea_1',
        node: nodeIdOf(node.publicKey),
        revision: 'rev_1',
        startsAtMs: nowMs,
        endsAtMs: nowMs + MONTH_MS,
        budgets: [{incentive: 'creo/WORK', amountMinor: 1_000_000_000}]
      }
    ],
    nodes: [{id: nodeIdOf(node.publicKey), publicKey: node.publicKey, owner: `acc_${'0'.repeat(32)}`}],
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
