import type {ErrorCode} from '../errors.ts'
import type {KeyRole} from '../protocol/account-keys.ts'
import type {BalanceKind} from '../protocol/api.ts'
import type {BlockTarget} from '../protocol/blocks.ts'
import type {CommandBody} from '../protocol/commands.ts'
import type {RevisionSpec, Tag, TrafficShare} from '../protocol/revisions.ts'

/** A command with everything that the machine can't find out itself: its place, its time and its hashes. */
export interface SequencedCommand {
  readonly seq: number
  readonly atMs: number
  /** Account id, `new`, `coordinator` or `operator`. */
  readonly account: string
  readonly keyId: string
  /** SHA-256 of the signed text, hex. Few commands ask for it. */
  readonly hash: () => string
  readonly idempotencyKey: string
  readonly notAfterMs: number
  readonly bodySha256: string
  /** Ids of the public keys that the body names, in the order of the body. */
  readonly bodyKeyIds: readonly string[]
  readonly body: CommandBody
}

export type Answer =
  | {readonly status: 'applied'; readonly result: Readonly<Record<string, unknown>>}
  | {readonly status: 'rejected'; readonly code: ErrorCode; readonly message: string}

export interface Outcome {
  readonly answer: Answer
  readonly effects: readonly Effect[]
  /** Sequence of the command that this one only repeats, under a later not-after. It did nothing else. */
  readonly repeats?: number
}

/** What a command changed in one balance, all its postings summed. */
export interface EntryEffect {
  readonly type: 'entry'
  readonly account: string
  readonly asset: string
  readonly kind: BalanceKind
  readonly deltaMinor: number
  readonly balanceMinor: number
}

export interface OrderOpened {
  readonly type: 'order'
  readonly id: string
  readonly account: string
  readonly incentive: string
  readonly side: 'buy' | 'sell'
  readonly priceMicroGutta: number
  readonly lots: number
}

/** An open order's new terms. What became of it is said by the `order.changed` that follows. */
export interface OrderReplaced {
  readonly type: 'order.replaced'
  readonly id: string
  readonly priceMicroGutta: number
  readonly lots: number
}

/** The last word on an order after a command: its rest, and why it ended if it did. */
export interface OrderChanged {
  readonly type: 'order.changed'
  readonly id: string
  readonly remainingLots: number
  readonly status: 'open' | 'filled' | 'cancelled' | 'expired'
  readonly reason: string | null
}

export interface Traded {
  readonly type: 'trade'
  readonly index: number
  readonly incentive: string
  readonly priceMicroGutta: number
  readonly lots: number
  readonly takerSide: 'buy' | 'sell'
  readonly maker: string
  readonly taker: string
  readonly makerFeeMicroGutta: number
  readonly takerFeeMicroGutta: number
}

/** All that waits at one price; no lots where the last of it has gone. It follows from the effects, so no journal has it. */
export interface BookLevel {
  readonly incentive: string
  readonly side: 'buy' | 'sell'
  readonly priceMicroGutta: number
  readonly lots: number
}

export interface RevisionDeployed {
  readonly id: string
  readonly function: string
  readonly imageDigest: string
  readonly spec: RevisionSpec
  /** Only where the function's traffic does not go to it yet. */
  readonly noTraffic?: true
}

export interface Paid {
  readonly incentive: string
  readonly amountMinor: number
}

/** What a command did, in the order it did it. The projections are made of these alone, and a replay must find the same. */
export type Effect =
  | EntryEffect
  | OrderOpened
  | OrderReplaced
  | OrderChanged
  | Traded
  | {
      readonly type: 'account'
      readonly id: string
      readonly name: string
      readonly keys: readonly {readonly keyId: string; readonly publicKey: string; readonly roles: readonly KeyRole[]}[]
    }
  | {
      /** Who may sign for an account from now on, and who may come to. */
      readonly type: 'account.keys'
      readonly id: string
      readonly keys: readonly {readonly keyId: string; readonly publicKey: string; readonly roles: readonly KeyRole[]}[]
      /** Absent for none. */
      readonly invites?: readonly {readonly keyId: string; readonly roles: readonly KeyRole[]; readonly expiresAtMs: number}[]
      /** Absent while nobody recovers the account. */
      readonly recovery?: {readonly keyId: string; readonly dueAtMs: number}
    }
  | {
      readonly type: 'node'
      readonly id: string
      readonly owner: string
      readonly name: string
      readonly architecture: 'amd64' | 'arm64'
      readonly keyId: string
      readonly publicKey: string
    }
  | {
      readonly type: 'gateway'
      readonly id: string
      readonly publicKey: string
      readonly name: string
      readonly tunnelUrl: string
      readonly publicUrl: string
    }
  | {readonly type: 'gateway.revoked'; readonly id: string}
  | {
      readonly type: 'block'
      readonly action: 'block' | 'unblock'
      readonly kind: BlockTarget['kind']
      readonly name: string
      readonly reason: string
      /** The key that signed it. */
      readonly by: string
    }
  | {
      readonly type: 'incentive'
      readonly id: string
      readonly org: string
      readonly name: string
      readonly scope: {readonly app: string; readonly function: string} | null
      readonly decimals: number
      readonly lotMinor: number
      readonly supplyMinor: number
      readonly tradeVolumeLimitMicroGutta: number
      readonly captured: 'burn' | 'return'
      readonly transferable: boolean
      /** Absent: one owner may take all of the limit. */
      readonly ownerSharePermille?: number
    }
  | {
      readonly type: 'incentive.limit'
      readonly id: string
      readonly tradeVolumeLimitMicroGutta: number
      /** Absent: it stays. */
      readonly ownerSharePermille?: number
    }
  | {
      /** How a market trades from now on. */
      readonly type: 'market.phase'
      readonly incentive: string
      readonly phase: 'opening' | 'auction' | 'continuous'
      /** Null where it lasts. */
      readonly endsAtMs: number | null
    }
  | {
      readonly type: 'offer'
      readonly id: string
      readonly incentive: string
      readonly item: string
      readonly priceMinor: number
      readonly stock: number
      readonly where: 'in-app' | 'in-store'
      /** Digest. Absent for none. */
      readonly picture?: string
    }
  | {
      readonly type: 'transfer'
      readonly id: string
      readonly from: string
      readonly to: string
      readonly asset: string
      readonly amountMinor: number
      /** Absent for none. */
      readonly memo?: string
    }
  | {readonly type: 'offer.stock'; readonly id: string; readonly stock: number}
  | {
      readonly type: 'offer.edited'
      readonly id: string
      readonly item?: string
      readonly priceMinor?: number
      readonly stock?: number
      readonly where?: 'in-app' | 'in-store'
      readonly picture?: string | null
      readonly stopped?: boolean
    }
  | {
      readonly type: 'redemption'
      readonly id: string
      readonly offer: string
      readonly incentive: string
      readonly holder: string
      readonly quantity: number
      readonly amountMinor: number
      /** Absent where none was made. */
      readonly code?: {readonly salt: string; readonly hash: string}
    }
  | {readonly type: 'redemption.ended'; readonly id: string; readonly status: 'captured' | 'released'; readonly reason?: string}
  | {
      readonly type: 'app'
      readonly org: string
      readonly app: string
      readonly routes: readonly {readonly path: string; readonly function: string}[]
      /** Those that were made: each takes all of its function's traffic, unless it says otherwise. */
      readonly revisions: readonly RevisionDeployed[]
    }
  | {
      /** Where a function's traffic goes and what tags it has from now on. */
      readonly type: 'traffic'
      readonly org: string
      readonly app: string
      readonly function: string
      readonly traffic: readonly TrafficShare[]
      readonly tags: readonly Tag[]
    }
  | {readonly type: 'app.destroyed'; readonly org: string; readonly app: string}
  | {
      readonly type: 'lease'
      readonly id: string
      readonly node: string
      readonly revision: string
      readonly endsAtMs: number
      readonly budgets: readonly {readonly incentive: string; readonly amountMinor: number}[]
    }
  | {readonly type: 'lease.ended'; readonly id: string; readonly endsAtMs: number}
  | {
      readonly type: 'receipt'
      readonly id: string
      readonly lease: string
      readonly node: string
      readonly requests: number
      readonly mibMs: number
      /** Absent for none. */
      readonly standbyMs?: number | undefined
      readonly paid: readonly Paid[]
    }
  | {
      readonly type: 'epoch'
      readonly epoch: number
      readonly mintedMicroGutta: number
      readonly shares: readonly {
        readonly account: string
        readonly workPoints: number
        readonly amountMicroGutta: number
        /** What came of probes at the account's nodes; absent for none. */
        readonly probes?: {readonly good: number; readonly failed: number}
      }[]
    }

/** Ends a command as rejected; the machine takes back what it had posted. Never leaves the machine. */
export class Refusal {
  readonly code: ErrorCode
  readonly message: string

  constructor(code: ErrorCode, message: string) {
    this.code = code
    this.message = message
  }
}

/** An expected no, found before the command changed anything but balances. */
export function refuse(code: ErrorCode, message: string): never {
  throw new Refusal(code, message)
}
