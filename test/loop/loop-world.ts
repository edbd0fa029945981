import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {z} from 'zod'
import {type Client, createClient} from '../../src/client/client.ts'
import {ask} from '../../src/compose/ask.ts'
import {DevNetwork} from '../../src/compose/dev-network.ts'
import {askForPrimes} from '../../src/compose/tour/load.ts'
import {eventually} from '../../src/compose/tour/must-hold.ts'
import {appSteps, shopUrl} from '../../src/compose/tour/steps-apps.ts'
import {networkSteps, ORGS} from '../../src/compose/tour/steps-network.ts'
import type {TourWorld} from '../../src/compose/tour/tour.ts'
import {openUserConfig} from '../../src/config/user-config.ts'
import {type ReceiptView, receiptViewSchema} from '../../src/core/protocol/api.ts'
import {loadKeyFile} from '../../src/identity/keys.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const RECEIPTS_MAX = 1000
const LOAD_MAX = 100_000

/** A network of real processes with the shop (or what else is wanted) deployed, as the tour makes it, in a folder of its own. */
export class LoopWorld implements TourWorld {
  readonly folder: string
  readonly network: DevNetwork
  readonly signal: AbortSignal
  readonly root = ROOT
  readonly #end: AbortController

  private constructor(folder: string) {
    this.#end = new AbortController()
    this.folder = folder
    this.signal = this.#end.signal
    const creo = [process.execPath, join(ROOT, 'bin', 'run.js')]
    const ports = {coordinator: 0, gateway: 0, tunnel: 0}
    this.network = new DevNetwork({directory: folder, creo, ports, epoch: '5s', emission: '10', exchangeOrg: ORGS.exchange}, this.signal)
  }

  /** @param deploys names of the tour's steps that deploy something. */
  static async make(deploys: readonly string[] = ['deploy_shop']): Promise<LoopWorld> {
    const world = new LoopWorld(await mkdtemp(join(tmpdir(), 'creo-loop-')))
    const deployed = appSteps.filter(({id}) => deploys.includes(id))
    try {
      for (const step of [...networkSteps, ...deployed]) await step.run(world)
      return world
    } catch (error) {
      await world.close()
      throw error
    }
  }

  async creo<T>(args: readonly string[], answer: z.ZodType<T>): Promise<T> {
    return answer.parse(await this.network.run(args))
  }

  async read<T>(path: string, answer: z.ZodType<T>): Promise<T> {
    const {status, text} = await ask(`${this.network.coordinatorUrl}${path}`, {signal: this.signal})
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${text}`)
    return answer.parse(JSON.parse(text))
  }

  found(): void {}

  /** Every receipt that was paid, newest first. */
  async receipts(): Promise<readonly ReceiptView[]> {
    const {receipts} = await this.read(`/v1/receipts?limit=${RECEIPTS_MAX}`, z.object({receipts: z.array(receiptViewSchema)}))
    if (receipts.length === RECEIPTS_MAX) throw new Error('the receipts no longer fit one answer')
    return receipts
  }

  /** A client that signs in an account's name. */
  async client(account: string): Promise<Client> {
    const context = openUserConfig({CREO_CONFIG_DIR: this.network.configDirectory}).context()
    const key = await loadKeyFile(join(this.network.configDirectory, 'keys', context.networkId, `${account}.json`))
    const reader = createClient({...context, key, now: Date.now})
    const {id} = await reader.account(account)
    return reader.as(id, key)
  }

  /** Waits until the shop answers again. */
  async servesAgain(): Promise<void> {
    await eventually('the shop answers', this.signal, async () => {
      const answer = await ask(`${shopUrl(this)}/api/prime?n=7`, {signal: this.signal}).catch(() => undefined)
      return answer?.status === 200 ? true : undefined
    })
  }

  /** Asks the shop without pause until `stop` is called, and remembers when it was answered (monotonic). */
  load(): RunningLoad {
    const until = new AbortController()
    const answeredAtMs: number[] = []
    const {promise: warm, resolve} = Promise.withResolvers<void>()
    const onAnswer = (): void => {
      if (answeredAtMs.push(performance.now()) === WARM_ANSWERS) resolve()
    }
    const done = askForPrimes(shopUrl(this), {count: LOAD_MAX, until: until.signal, signal: this.signal, onAnswer})
    const stop = async (): Promise<readonly number[]> => {
      until.abort()
      await done
      return answeredAtMs
    }
    return {warm, stop}
  }

  async close(): Promise<void> {
    await this.network.stop(() => undefined)
    this.#end.abort()
    await rm(this.folder, {recursive: true, force: true})
  }
}

/** Enough that receipts of several windows are under way. */
const WARM_ANSWERS = 300

export interface RunningLoad {
  /** Resolves once a few hundred requests were answered. */
  readonly warm: Promise<void>
  /** Ends the load and gives the times of all answers. */
  stop(): Promise<readonly number[]>
}
