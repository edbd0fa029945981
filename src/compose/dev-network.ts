import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {type RoleProcess, type Stopped, startRole} from './role-process.ts'
import {saidError} from './said-error.ts'

export interface DevNetworkOptions {
  /** Everything the network keeps: one folder a role, `logs/`, and `config/` for the commands that talk to it. */
  readonly directory: string
  /** How to run creo: `[node, bin/run.js]`. */
  readonly creo: readonly string[]
  /** Ports to listen on; 0 lets the system choose. */
  readonly ports: {readonly coordinator: number; readonly gateway: number; readonly tunnel: number}
  /** Length of an emission epoch, such as `5s`. */
  readonly epoch: string
  /** Gutta minted per epoch. */
  readonly emission: string
  /** Name of the org whose functions are paid in Gutta. */
  readonly exchangeOrg: string
  /** What its operator gives the coordinator besides. */
  readonly coordinatorFlags?: readonly string[]
  /** Settings file of the gateway. */
  readonly gatewaySettings?: string
}

export interface MinerOptions {
  readonly name: string
  readonly earn: readonly string[]
  /** One-use join token; not needed again once the node is enrolled. */
  readonly token?: string
}

const initAnswerSchema = z.object({networkId: z.string()})
const urlsSchema = z.object({urls: z.record(z.string(), z.string())})

/**
 * A whole network on this machine: each role is a process of its own with a folder of its own, and they meet on the wire alone,
 * as they would on separate machines. Roles can be killed and started again at the same addresses.
 */
export class DevNetwork {
  readonly directory: string
  readonly configDirectory: string
  readonly #options: DevNetworkOptions
  readonly #signal: AbortSignal
  readonly #roles = new Map<string, RoleProcess>()
  readonly #miners = new Map<string, MinerOptions>()
  #onCommand: (args: readonly string[]) => void = () => undefined
  #networkId = ''
  #coordinatorUrl = ''
  #gateway: {readonly publicUrl: string; readonly tunnelUrl: string} | undefined
  /** By `performance.now()`, when its gateway first was. */
  #readyAtMs: number | undefined

  constructor(options: DevNetworkOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
    this.directory = options.directory
    this.configDirectory = join(options.directory, 'config')
  }

  /** Makes the folders, and the genesis when there is none yet. Nothing runs yet. */
  async init(): Promise<void> {
    await mkdir(join(this.directory, 'logs'), {recursive: true, mode: 0o700})
    await mkdir(this.configDirectory, {recursive: true, mode: 0o700})
    const {epoch, emission, exchangeOrg} = this.#options
    const flags = ['--development', '--if-missing', '--epoch', epoch, '--emission', emission, '--exchange-org', exchangeOrg]
    const made = await this.run(['coordinator', 'init', '--data', this.coordinatorDirectory, ...flags])
    this.#networkId = initAnswerSchema.parse(made).networkId
  }

  /** Told of each command of creo from now on, roles' too, before it is given; takes the place of who was told before. */
  tellCommands(listener: (args: readonly string[]) => void): void {
    this.#onCommand = listener
  }

  get networkId(): string {
    return this.#networkId
  }

  get coordinatorUrl(): string {
    return this.#coordinatorUrl
  }

  get gatewayUrl(): string {
    return this.#started().publicUrl
  }

  /** Where the gateway's own health, metrics and status are asked. */
  get gatewayAdminUrl(): string {
    return this.#started().tunnelUrl
  }

  get coordinatorDirectory(): string {
    return join(this.directory, 'coordinator')
  }

  get operatorKeyPath(): string {
    return join(this.coordinatorDirectory, 'operator.key')
  }

  logPath(role: string): string {
    return join(this.directory, 'logs', `${role}.log`)
  }

  role(name: string): RoleProcess {
    const role = this.#roles.get(name)
    if (role === undefined) throw new CreoError('not_found', `No ${name} runs in this network.`)
    return role
  }

  async startCoordinator(): Promise<RoleProcess> {
    const listen = this.#coordinatorUrl === '' ? `127.0.0.1:${this.#options.ports.coordinator}` : new URL(this.#coordinatorUrl).host
    const where = ['--data', this.coordinatorDirectory, '--listen', listen]
    const role = await this.#start('coordinator', ['coordinator', 'serve', ...where, ...(this.#options.coordinatorFlags ?? [])])
    this.#coordinatorUrl = urlsSchema.parse(role.ready).urls.api ?? ''
    return role
  }

  async startGateway(): Promise<RoleProcess> {
    const {
      ports: {gateway, tunnel},
      gatewaySettings
    } = this.#options
    const listen = this.#gateway === undefined ? `127.0.0.1:${gateway}` : new URL(this.#gateway.publicUrl).host
    const tunnelListen = this.#gateway === undefined ? `127.0.0.1:${tunnel}` : new URL(this.#gateway.tunnelUrl).host
    const role = await this.#start('gateway', [
      'gateway',
      'serve',
      '--data',
      join(this.directory, 'gateway'),
      ...this.#where(),
      '--listen',
      listen,
      '--tunnel',
      tunnelListen,
      ...(gatewaySettings === undefined ? [] : ['--settings', gatewaySettings])
    ])
    const {urls} = urlsSchema.parse(role.ready)
    this.#gateway = {publicUrl: urls.public ?? '', tunnelUrl: urls.tunnel ?? ''}
    this.#readyAtMs ??= performance.now()
    return role
  }

  /** For how long it has served: since its gateway first did. */
  upMs(): number {
    return this.#readyAtMs === undefined ? 0 : performance.now() - this.#readyAtMs
  }

  async startMiner(miner: MinerOptions): Promise<RoleProcess> {
    return await this.#startMiner(miner, this.#signal)
  }

  async #startMiner(miner: MinerOptions, signal: AbortSignal): Promise<RoleProcess> {
    this.#miners.set(miner.name, miner)
    const earn = miner.earn.flatMap((incentive) => ['--earn', incentive])
    const token = miner.token === undefined ? [] : ['--token', miner.token]
    const data = join(this.directory, miner.name)
    const args = ['mine', 'start', '--data', data, ...this.#where(), '--name', miner.name, '--on-battery=yes', ...earn, ...token]
    return await this.#start(miner.name, args, signal)
  }

  /** What the operator does once he trusts a gateway: after it, miners dial it. Admitting it again changes nothing. */
  admitGatewayArgs(publicKey: string): readonly string[] {
    const urls = ['--tunnel', this.gatewayAdminUrl, '--public', this.gatewayUrl]
    return ['gateway', 'admit', publicKey, ...urls, '--key', this.operatorKeyPath]
  }

  /**
   * Runs one command of creo against this network and gives what it printed as JSON.
   * @throws {CreoError} the command's own error, which names it.
   */
  async run(args: readonly string[]): Promise<unknown> {
    this.#onCommand(args)
    const [program = '', ...first] = this.#options.creo
    const result = await execa(program, [...first, ...args, '--json'], {env: this.#env(), reject: false, cancelSignal: this.#signal})
    this.#signal.throwIfAborted()
    if (result.exitCode === 0) return JSON.parse(result.stdout)
    const said = `creo ${args.join(' ')}`
    throw saidError(result.stdout, said) ?? new CreoError('failed', `${said} ended with ${result.exitCode}: ${result.stderr}`)
  }

  /** Names of roles that were started and have ended since, without having been asked. */
  gone(): readonly string[] {
    return [...this.#roles.values()].filter((role) => role.isGone()).map(({name}) => name)
  }

  /** Stops every role, miners first, and says how each ended. Its containers go with a miner, also those of one that was killed. */
  async stop(onStopped: (name: string, how: Stopped) => void): Promise<void> {
    const order = [...this.#roles.keys()].sort((a, b) => stopRank(a) - stopRank(b))
    for (const rank of new Set(order.map(stopRank))) {
      const names = order.filter((name) => stopRank(name) === rank)
      await Promise.all(
        names.map(async (name) => {
          const stopped = await this.#stopRole(name)
          this.#roles.delete(name)
          onStopped(name, stopped)
        })
      )
    }
  }

  async #stopRole(name: string): Promise<Stopped> {
    const stopped = await this.role(name).stop()
    const miner = this.#miners.get(name)
    if (stopped === 'by_itself' || miner === undefined) return stopped
    const {token: _, ...again} = miner
    // Started once more it owns what it left, and takes it with it. If it can't, whoever looks for what is left finds it.
    const adopter = await this.#startMiner(again, new AbortController().signal).catch(() => undefined)
    await adopter?.stop()
    return stopped
  }

  async #start(name: string, args: readonly string[], signal = this.#signal): Promise<RoleProcess> {
    this.#onCommand(args)
    const role = await startRole(
      {name, argv: [...this.#options.creo, ...args, '--json'], env: this.#env(), logPath: this.logPath(name)},
      signal
    )
    this.#roles.set(name, role)
    return role
  }

  #started(): {readonly publicUrl: string; readonly tunnelUrl: string} {
    if (this.#gateway === undefined) throw new CreoError('unavailable', 'The gateway of this network was not started.')
    return this.#gateway
  }

  #where(): readonly string[] {
    return ['--coordinator', this.#coordinatorUrl, '--network-id', this.#networkId]
  }

  #env(): Readonly<Record<string, string>> {
    return {CREO_CONFIG_DIR: this.configDirectory}
  }
}

/** Miners stop before the gateway, so that their last receipts are signed, and the coordinator last, so that they are paid. */
function stopRank(role: string): number {
  if (role === 'coordinator') return 2
  return role === 'gateway' ? 1 : 0
}
