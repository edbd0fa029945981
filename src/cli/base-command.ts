import {Command} from '@oclif/core'
import {CreoError, isCreoError} from '../core/errors.ts'
import {toCreoError} from './error-words.ts'
import {plainJson} from './plain-line.ts'
import {createProgress, type Progress} from './progress.ts'

/**
 * Set to 1 by a parent that holds our stdin open for as long as it lives: its end stops us like SIGTERM, so that a killed parent
 * leaves no process behind.
 */
const SUPERVISED_ENV = 'CREO_SUPERVISED'

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * What every command of creo has: `--json`, an abort signal that Ctrl-C fires, progress on stderr, and errors that leave as a
 * CreoError, which `main.ts` says. Give the result as the value of `run`; print for people with `this.log`.
 */
export abstract class CreoCommand extends Command {
  static override enableJsonFlag = true

  /** Fields that `--json` has beside `error` when the command fails. */
  protected besideError: Readonly<Record<string, unknown>> | undefined

  readonly #interruption = new AbortController()

  /** Fires at the first Ctrl-C, SIGTERM or closed terminal. A second one ends the process at once. */
  get abort(): AbortSignal {
    return this.#interruption.signal
  }

  /** The words of a step list on stderr; silent under `--json`. */
  get progress(): Progress {
    this.#progress ??= createProgress({stream: process.stderr, silent: this.jsonEnabled()})
    return this.#progress
  }
  #progress: Progress | undefined

  /** One object of a stream under `--json`: one line, at once. Does nothing otherwise. */
  logJsonLine(value: unknown): void {
    if (this.jsonEnabled()) process.stdout.write(`${plainJson(JSON.stringify(value))}\n`)
  }

  protected override async init(): Promise<void> {
    await super.init()
    for (const signal of STOP_SIGNALS) process.on(signal, this.#onSignal)
    if (process.env[SUPERVISED_ENV] === '1') process.stdin.on('end', () => this.#onSignal('SIGTERM')).resume()
  }

  protected override async catch(thrown: unknown): Promise<void> {
    const error = await this.#afterFirstAccount(thrown)
    if (error === undefined) return
    if (error instanceof Error && 'code' in error && error.code === 'EEXIT') throw error
    const commandLine = [this.config.bin, ...(this.id ?? '').split(':')].join(' ')
    const said = toCreoError(error, {commandLine, interrupted: this.abort.aborted})
    if (this.besideError === undefined) throw said
    const hint = said.hint === undefined ? {} : {hint: said.hint}
    throw new CreoError(said.code, said.message, {...hint, cause: said, beside: this.besideError})
  }

  /**
   * Somebody's first command: on a terminal, makes the account that it lacks and goes on. Answers what is still wrong, or undefined when the command
   * was carried out.
   */
  async #afterFirstAccount(error: unknown): Promise<unknown> {
    const isAsked = process.stdin.isTTY && process.stderr.isTTY && !this.jsonEnabled()
    if (!isAsked || !isCreoError(error) || error.code !== 'no_account') return error
    const {account, network} = error.beside as {readonly account: string | null; readonly network: string}
    const {askText, askYesNo} = await import('./prompt.ts')
    const options = {flag: '--as', signal: this.abort}
    process.stderr.write(`${error.message}\n`)
    try {
      const name = account ?? (await askText('Name of a new one (none: leave it empty):', options))
      if (name === '' || (account !== null && !(await askYesNo(`Make the account ${account} now?`, this.abort)))) return error
      await this.config.runCommand('account:create', [name, '--network', network])
      await this.run()
      return undefined
    } catch (again) {
      return again
    }
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    for (const signal of STOP_SIGNALS) process.off(signal, this.#onSignal)
    await super.finally(error)
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (!this.abort.aborted) {
      this.#interruption.abort(new CreoError('interrupted', `Interrupted by ${signal}.`))
      return
    }
    process.stderr.write(`Stopped at once by a second ${signal}; what was under way is left as it was.\n`)
    process.exit(130)
  }
}
