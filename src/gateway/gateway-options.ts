import type {ScaleSettings} from '../core/autoscaling.ts'
import type {KeyPair} from '../identity/keys.ts'
import type {Log} from '../telemetry/log.ts'
import type {AsyncChoices} from './async/async-calls.ts'
import type {ConductSink} from './conduct-reports.ts'
import type {ReachTimes} from './reach-probes.ts'
import type {RoutesSource} from './routes-store.ts'
import type {GatewaySettings} from './settings.ts'
import type {ProbeTimes} from './standby-watch.ts'

/** Everything that a gateway is given. */
export interface GatewayOptions {
  /** Already locked for this process. */
  readonly dataDirectory: string
  readonly key: KeyPair
  readonly network: string
  readonly coordinatorKey: string
  readonly source: RoutesSource
  /** Told what was seen of nodes; nobody is when left out. */
  readonly conductSink?: ConductSink
  readonly conductEveryMs?: number
  readonly listen: {readonly host: string; readonly port: number}
  readonly tunnelListen: {readonly host: string; readonly port: number}
  readonly log: Log
  readonly now: () => number
  /** A miner's clock differs too much from `now`. */
  onClockSkew?(): void
  readonly monotonicMs: () => number
  readonly random: () => number
  /** Those of docs/GATEWAY.md when left out. */
  readonly settings?: GatewaySettings
  readonly windowMs?: number
  readonly scale?: ScaleSettings
  readonly tickMs?: number
  /** How often nodes that stand by are probed. */
  readonly probes?: ProbeTimes
  /** How often the way from the public address to each miner is tested. */
  readonly reach?: ReachTimes
  readonly async?: AsyncChoices
  /** Told of an error that nothing can be done about: the process should end. */
  onFatal(error: unknown): void
}
