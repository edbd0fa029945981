import type {Client} from '../client/client.ts'
import type {OwnerTerms} from '../core/availability.ts'
import type {KeyPair} from '../identity/keys.ts'
import type {ContainerRuntime} from '../runtime/port.ts'
import type {Log} from '../telemetry/log.ts'
import type {DrainReport} from './drain.ts'
import type {MinerStatus} from './status-file.ts'
import type {UnsignedTimes} from './unsigned-windows.ts'

export interface MinerOptions {
  /** This process' own; holds the store, the table, the image cache. */
  readonly dataDirectory: string
  readonly nodeKey: KeyPair
  readonly network: {readonly id: string; readonly coordinatorKey: string; readonly kind: 'production' | 'development'}
  readonly coordinatorUrl: string
  /** Of this program, told to the coordinator. */
  readonly version?: string
  /** Signs with the node's key. */
  readonly client: Client
  /** The caller's to close, after `drain`. */
  readonly runtime: ContainerRuntime
  /** What the owner lends at the start; `apply` changes it. */
  readonly terms: OwnerTerms
  /** Whose clock the owner's hours and months are by, such as Europe/Berlin. */
  readonly timeZone: string
  /** Work on a host that can't enforce limits; in a development network alone. */
  readonly allowUnlimited: boolean
  /** Wall clock, corrected by what the coordinator says. */
  readonly now: () => number
  /** Asks the coordinator for the time, so that `now` is right. */
  readonly mendClock: (signal: AbortSignal) => Promise<unknown>
  /** A clock that nobody sets. */
  readonly monotonicMs: () => number
  readonly random: () => number
  /** When a gateway is left that has nothing signed; a test has its own. */
  readonly unsigned?: UnsignedTimes
  readonly log: Log
}

export interface Miner {
  readonly node: string
  readonly status: MinerStatus
  /** Resolves when the first heartbeat was accepted (or the coordinator is gone and a table is on disk) and each gateway was dialled. */
  start(signal: AbortSignal): Promise<void>
  /** The owner lends something else from now on. */
  apply(terms: OwnerTerms): Promise<void>
  /** Resolves with the error when something in here failed that can't be gone on from. */
  readonly crashed: Promise<unknown>
  /** Takes no new work, lets what is under way finish, stops every container, hands in the last receipts. */
  drain(): Promise<DrainReport>
}
