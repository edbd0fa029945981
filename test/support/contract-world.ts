import {once} from 'node:events'
import {type IncomingMessage, request} from 'node:http'
import {json} from 'node:stream/consumers'
import type {ContainerRuntime, ImageLayout, InstanceSpec, RuntimeInstance, WaitingTier} from '../../src/runtime/port.ts'
import {SLOWNESS} from './slowness.ts'

export const PATIENCE_MS = 30_000 * SLOWNESS

/** A signal that ends what hangs: no test waits longer. */
export const patience = () => AbortSignal.timeout(PATIENCE_MS)

export interface ContractWorld {
  readonly runtime: ContainerRuntime
  readonly echoImage: ImageLayout
  /** Another runtime object over the same state, as a later process would make it. */
  reopen(): Promise<ContainerRuntime>
  close(): Promise<void>
}

/** What the promises of the contract are tried with. */
export interface Contract {
  promise(title: string, body: () => Promise<void>): void
  start(overrides?: Partial<InstanceSpec>): Promise<RuntimeInstance>
  create(tier: WaitingTier, overrides?: Partial<InstanceSpec>): Promise<RuntimeInstance>
  running(overrides?: Partial<InstanceSpec>): Promise<RuntimeInstance>
  specOf(overrides?: Partial<InstanceSpec>): InstanceSpec
  world(): ContractWorld
}

export async function ask(
  instance: RuntimeInstance,
  path: string,
  options: {method?: 'GET' | 'POST'; body?: string} = {}
): Promise<unknown> {
  const {method = 'GET', body} = options
  const sent = request({socketPath: instance.socketPath, path, method, agent: false, signal: patience()}).end(body)
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  return json(answer)
}
