import {fork} from 'node:child_process'
import {once} from 'node:events'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import type {FleetAsked, FleetSetup, FromFleet} from './fleet-messages.ts'
import type {NetworkAtScale} from './network-at-scale.ts'

const PROCESS = fileURLToPath(new URL('./fleet-process.ts', import.meta.url))
const HEAP_MIB = 6144
const WAIT_MAX_MS = 1_800_000

export interface Fleet {
  readonly pid: number
  /** Resolves once every node is there, with how many leases they hold. */
  there(signal: AbortSignal): Promise<number>
  /** Resolves once all nodes hold so many leases of an app, with the time of it by the machine's clock. */
  held(app: string, leases: number, signal: AbortSignal): Promise<number>
  /** Resolves once every node keeps this pace. */
  pace(everyMs: number, signal: AbortSignal): Promise<void>
  totals(signal: AbortSignal): Promise<Extract<FromFleet, {type: 'totals'}>>
  stop(): Promise<void>
}

/** Starts the process that plays all nodes. */
export async function startFleet(options: NetworkAtScale & {readonly coordinatorUrl: string; readonly directory: string}): Promise<Fleet> {
  const {coordinatorUrl, networkId, coordinatorKey, nodes, directory} = options
  const keys = nodes.map(({key, earn}) => ({key: key.privateKey.export({format: 'der', type: 'pkcs8'}).toString('base64url'), earn}))
  const setup: FleetSetup = {coordinatorUrl, networkId, coordinatorKey, nodes: keys}
  const path = join(directory, 'fleet.json')
  await writeFile(path, JSON.stringify(setup), {mode: 0o600})
  const child = fork(PROCESS, [path], {execArgv: [`--max-old-space-size=${HEAP_MIB}`]})
  const ask = (asked: FleetAsked): boolean => child.send(asked)
  async function heard<T extends FromFleet['type']>(type: T, signal: AbortSignal, app?: string): Promise<Extract<FromFleet, {type: T}>> {
    const {promise, resolve, reject} = Promise.withResolvers<Extract<FromFleet, {type: T}>>()
    const hear = (message: FromFleet): void => {
      if (message.type === type && (app === undefined || (message.type === 'held' && message.app === app))) resolve(message as never)
    }
    const gone = (): void => reject(new Error('the process that plays the nodes has ended'))
    const timely = AbortSignal.any([signal, AbortSignal.timeout(WAIT_MAX_MS)])
    timely.addEventListener('abort', () => reject(timely.reason), {once: true})
    child.on('message', hear).once('exit', gone)
    try {
      return await promise
    } finally {
      child.off('message', hear).off('exit', gone)
    }
  }
  // Said once, perhaps before anybody asks.
  const there = heard('there', new AbortController().signal)
  there.catch(() => undefined)
  return {
    pid: child.pid ?? 0,
    there: async () => (await there).leases,
    held: async (app, leases, signal) => {
      const told = heard('held', signal, app)
      ask({type: 'await', app, leases})
      return (await told).atMs
    },
    pace: async (everyMs, signal) => {
      const told = heard('paced', signal)
      ask({type: 'pace', everyMs})
      await told
    },
    totals: async (signal) => {
      const told = heard('totals', signal)
      ask({type: 'totals'})
      return await told
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      ask({type: 'stop'})
      await exited
    }
  }
}
