import type {KeyPair} from '../../identity/keys.ts'
import type {Ledger} from '../../ledger/port.ts'
import type {Log} from '../../telemetry/log.ts'
import {GatewayCalls} from '../gateway-calls.ts'
import {Loop} from '../loop.ts'
import {Cron} from './cron.ts'

export interface OpenedCron {
  readonly calls: GatewayCalls
  readonly cron: Cron
  /** Call it once the signal has fired. */
  close(): Promise<void>
}

/** Schedules that are fired until the signal does. */
export function openCron(
  tools: {readonly path: string; readonly ledger: Ledger; readonly key: KeyPair; readonly log: Log; readonly tickMs: number},
  signal: AbortSignal
): OpenedCron {
  const {ledger, key, log, tickMs} = tools
  const calls = new GatewayCalls({key, nowMs: () => ledger.nowMs()})
  const cron = new Cron({...tools, calls})
  const loop = new Loop({work: async (stop) => cron.tick(stop), everyMs: tickMs, signal, log})
  return {
    calls,
    cron,
    close: async () => {
      await loop.close()
      await cron.close()
    }
  }
}
