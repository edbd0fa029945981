import {basename, dirname, resolve} from 'node:path'
import {parseEnv} from 'node:util'
import {execa} from 'execa'
import {readFileIfThere} from '../../config/durable-file.ts'
import {CreoError} from '../../core/errors.ts'
import type {Manifest} from '../../core/manifest.ts'
import type {AccountContext} from '../../developer/context.ts'
import {secretValue, setSecret} from '../../developer/secrets.ts'

const FILE_BYTES_MAX = 1024 * 1024
const GIT_TIMEOUT_MS = 5000

export interface DevSecretsOptions {
  /** Lines of NAME=value. */
  readonly file: string | undefined
  /** Asks a person; undefined where nobody can be asked. */
  readonly ask: ((name: string) => Promise<string>) | undefined
}

/** Values of an app's secrets, from a file or typed once, and which of them the development network has already. */
export class DevSecrets {
  readonly #options: DevSecretsOptions
  readonly #typed = new Map<string, string>()
  readonly #set = new Map<string, string>()

  constructor(options: DevSecretsOptions) {
    this.#options = options
  }

  /**
   * Sets what the functions name and what is new or has changed since.
   * @throws {CreoError} `not_found` for a file that is not there, or a secret without a value; `invalid_input` for one that can be none.
   */
  async set(context: AccountContext, {org, app, functions}: Manifest, signal: AbortSignal): Promise<void> {
    const values = await this.#read()
    const names = new Set(Object.values(functions).flatMap(({secrets}) => secrets))
    for (const name of names) {
      const value = values[name] ?? this.#typed.get(name) ?? (await this.#ask(name))
      if (this.#set.get(name) === value) continue
      await setSecret(context, {org, app}, {name, value: secretValue(Buffer.from(value))}, signal)
      this.#set.set(name, value)
    }
  }

  async #read(): Promise<Readonly<Record<string, string | undefined>>> {
    const {file} = this.#options
    if (file === undefined) return {}
    const bytes = await readFileIfThere(file, FILE_BYTES_MAX)
    if (bytes === undefined) throw new CreoError('not_found', `There is no ${file}.`, {hint: 'Write lines of NAME=value into it.'})
    return parseEnv(bytes.toString('utf8'))
  }

  async #ask(name: string): Promise<string> {
    const {ask, file} = this.#options
    if (ask === undefined) {
      const hint = `Write ${name}=… into ${file ?? 'a file and name it with --secrets'}.`
      throw new CreoError('not_found', `The secret ${name} has no value.`, {hint})
    }
    const value = await ask(name)
    this.#typed.set(name, value)
    return value
  }
}

/** True when git keeps a file's versions, so that whoever has the repository reads it. Without git, or outside of a repository, it does not. */
export async function isTrackedByGit(file: string, signal: AbortSignal): Promise<boolean> {
  const path = resolve(file)
  const git = ['-C', dirname(path), 'ls-files', '--error-unmatch', '--', basename(path)]
  const {exitCode} = await execa('git', git, {reject: false, timeout: GIT_TIMEOUT_MS, cancelSignal: signal, stdio: 'ignore'})
  signal.throwIfAborted()
  return exitCode === 0
}
