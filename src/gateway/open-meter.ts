import {join} from 'node:path'
import type {KeyPair} from '../identity/keys.ts'
import {LeaseBudgets} from './lease-budgets.ts'
import {Meter, type WorkOf} from './meter.ts'

/** What counts work, and what counts down what it may cost. */
export interface OpenedMeter {
  readonly meter: Meter
  readonly budgets: LeaseBudgets
}

export async function openMeter(options: {
  /** Of the gateway. */
  readonly dataDirectory: string
  readonly network: string
  readonly key: KeyPair
  readonly now: () => number
  readonly monotonicMs: () => number
}): Promise<OpenedMeter> {
  const {dataDirectory, network, key, now, monotonicMs} = options
  const budgets = new LeaseBudgets()
  const onWork = (of: WorkOf, work: {requests: number; mibMs: number}): void => budgets.spend(of.lease, of.revision, work)
  const requestsLeft = (of: WorkOf): number => budgets.requestsLeft(of.lease, of.revision)
  const meter = await Meter.open({directory: join(dataDirectory, 'meter'), network, key, now, monotonicMs, onWork, requestsLeft})
  return {meter, budgets}
}
