/** What the bench and the process that plays the nodes say to each other. */

/** The process's argument names a file with this. */
export interface FleetSetup {
  readonly coordinatorUrl: string
  readonly networkId: string
  readonly coordinatorKey: string
  /** Private keys as PKCS#8, base64url. */
  readonly nodes: readonly {readonly key: string; readonly earn: readonly string[]}[]
}

export type FleetAsked =
  /** Tell when all nodes together hold so many leases of an app. */
  | {readonly type: 'await'; readonly app: string; readonly leases: number}
  /** Heartbeats and waits for tables so often from here on, whatever the coordinator asks for. */
  | {readonly type: 'pace'; readonly everyMs: number}
  | {readonly type: 'totals'}
  | {readonly type: 'stop'}

export type FromFleet =
  /** Every node has said that it is there, and has its table. */
  | {readonly type: 'there'; readonly leases: number}
  | {readonly type: 'paced'}
  /** `atMs` by the machine's clock. */
  | {readonly type: 'held'; readonly app: string; readonly leases: number; readonly atMs: number}
  /** Since the start; leases now. */
  | {readonly type: 'totals'; readonly leases: number; readonly heartbeats: number; readonly tables: number; readonly failures: number}
