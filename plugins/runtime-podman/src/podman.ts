import type {ProcessLimits, RuntimeTools} from 'creo/runtime'
import type {Host} from './host.ts'
import type {Places} from './places.ts'
import type {PodmanApi} from './podman-api.ts'
import {PodmanCli} from './podman-cli.ts'
import {PodmanCommands} from './podman-commands.ts'
import {PodmanRest} from './podman-rest.ts'
import {PodmanService} from './podman-service.ts'

/** A service that dies so often in so short a time is no service. */
const DEATHS_MAX = 3
const DEATHS_WITHIN_MS = 60_000
/** Then commands do its work for so long, before it is tried again. */
const COMMANDS_FOR_MS = 600_000
/** Where commands don't work either, the service's own words are told. */
const TRIAL_TIMEOUT_MS = 30_000
const TURNED_OFF = 'CREO_PODMAN_API is off'

/** podman over one storage root: by the REST API of its service, and by its command line while there is none. */
export class Podman {
  readonly commands: PodmanCommands
  readonly #tools: RuntimeTools
  readonly #service: PodmanService
  readonly #rest: PodmanRest
  readonly #cli: PodmanCli | undefined
  readonly #deathsMs: number[] = []
  #slow: {readonly why: string; readonly untilMs: number} | undefined

  /** @throws {CreoError} `runtime_missing` when the API is turned off and commands can't do its work. */
  constructor(tools: RuntimeTools, host: Host, places: Places) {
    this.#tools = tools
    this.commands = new PodmanCommands(tools, host, places)
    const onDeath = (words: string) => this.#died(words)
    this.#service = new PodmanService({tools, host, places, commands: this.commands, onDeath})
    this.#rest = new PodmanRest(this.#service)
    this.#cli = host.commandsOciRuntime === undefined ? undefined : new PodmanCli(this.commands, host.commandsOciRuntime)
    if (tools.env.CREO_PODMAN_API !== 'off') return
    if (!this.#cli) throw new tools.CreoError('runtime_missing', `${TURNED_OFF} and runc is not there.`, {hint: 'apt-get install runc'})
    this.#slow = {why: TURNED_OFF, untilMs: Number.POSITIVE_INFINITY}
  }

  /** One operation, by the way that is open. One that a dying service may have begun is not done a second time. */
  async ask<T>(use: (api: PodmanApi) => Promise<T>): Promise<T> {
    return this.#byEither(
      () => use(this.#rest),
      (cli) => use(cli)
    )
  }

  /** What a container that podman starts may be given at most. */
  limits(): Promise<ProcessLimits> {
    return this.#byEither(
      () => this.#service.limits(),
      () => this.#tools.sandbox.limitsBelow(process.pid)
    )
  }

  /** One sentence when commands do the work of the service. */
  get problems(): readonly string[] {
    const why = this.#slowBecause()
    return why === undefined ? [] : [`Functions start more slowly, since podman is used by its command line: ${why}.`]
  }

  get closed(): boolean {
    return this.commands.closed
  }

  /** Ends the service. Containers go on. */
  async close(): Promise<void> {
    this.commands.close()
    await this.#service.close()
  }

  async #byEither<T>(rest: () => Promise<T>, command: (cli: PodmanCli) => Promise<T>): Promise<T> {
    const cli = this.#cli
    if (!cli) return rest()
    if (this.#slowBecause() !== undefined) return command(cli)
    try {
      return await rest()
    } catch (error) {
      // Its only meaning here: the service did not start, so it was asked for nothing.
      if ((error as {code?: string}).code !== 'runtime_missing' || this.closed) throw error
      const works = await cli.version(AbortSignal.timeout(TRIAL_TIMEOUT_MS)).catch(() => undefined)
      if (works === undefined) throw error
      this.#goSlow((error as Error).message.replace(/\.$/, ''))
      return command(cli)
    }
  }

  #slowBecause(): string | undefined {
    if (this.#slow && performance.now() >= this.#slow.untilMs) this.#slow = undefined
    return this.#slow?.why
  }

  #goSlow(why: string): void {
    this.#slow = {why, untilMs: performance.now() + COMMANDS_FOR_MS}
    this.#tools.log('warn', "podman's command line does the work of its service", {why})
  }

  #died(words: string): void {
    const nowMs = performance.now()
    this.#deathsMs.push(nowMs)
    if (this.#deathsMs.length < DEATHS_MAX) return
    const firstMs = this.#deathsMs.shift() ?? nowMs
    if (!this.#cli || nowMs - firstMs > DEATHS_WITHIN_MS) return
    this.#deathsMs.length = 0
    this.#goSlow(`its service ended ${DEATHS_MAX} times within ${DEATHS_WITHIN_MS / 1000} s${words && `, at last with "${words}"`}`)
  }
}
