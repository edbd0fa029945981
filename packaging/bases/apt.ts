import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {CreoError} from '../../src/core/errors.ts'
import type {PinnedPackage} from '../../src/images/bases.ts'
import type {Architecture} from '../../src/images/oci.ts'

const APT_TIMEOUT_MS = 5 * 60_000

/**
 * What this machine's own sources offer of Debian packages of any architecture, by an apt that has a state of its own: nothing of the machine
 * is changed, and root is not needed.
 */
export class Apt {
  readonly #architecture: Architecture
  readonly #folder: string
  readonly #signal: AbortSignal

  constructor(architecture: Architecture, folder: string, signal: AbortSignal) {
    this.#architecture = architecture
    this.#folder = folder
    this.#signal = signal
  }

  /** Reads the lists of packages anew. @throws {CreoError} `build_failed` without apt, or when no source answers. */
  async update(): Promise<void> {
    await mkdir(join(this.#folder, 'state/lists/partial'), {recursive: true})
    await mkdir(join(this.#folder, 'cache/archives/partial'), {recursive: true})
    await writeFile(join(this.#folder, 'status'), '')
    await this.#apt('apt-get', ['update', '--error-on=any'], 'The lists of packages could not be read')
  }

  /** What a source offers now. @throws {CreoError} `not_found`. */
  async newest(name: string): Promise<PinnedPackage> {
    const shown = await this.#apt('apt-cache', ['show', '--no-all-versions', name], `There is no Debian package ${name}`)
    const field = (key: string): string => new RegExp(`^${key}: (.*)$`, 'm').exec(shown)?.[1] ?? ''
    return {version: field('Version'), sha256: field('SHA256'), path: field('Filename'), bytes: Number(field('Size'))}
  }

  async #apt(program: string, args: readonly string[], problem: string): Promise<string> {
    const options = [
      `Dir::State=${join(this.#folder, 'state')}`,
      `Dir::State::status=${join(this.#folder, 'status')}`,
      `Dir::Cache=${join(this.#folder, 'cache')}`,
      `APT::Architecture=${this.#architecture}`,
      `APT::Architectures=${this.#architecture}`,
      'APT::Sandbox::User=root',
      'Acquire::Languages=none'
    ].flatMap((option) => ['-o', option])
    const run = await execa(program, ['-q', ...options, ...args], {
      cwd: this.#folder,
      env: {LC_ALL: 'C'},
      stdin: 'ignore',
      reject: false,
      timeout: APT_TIMEOUT_MS,
      cancelSignal: this.#signal
    })
    this.#signal.throwIfAborted()
    if (!run.failed) return run.stdout
    const said = run.stderr.split('\n').find((line) => line.startsWith('E: '))
    throw new CreoError('build_failed', `${problem} for ${this.#architecture}: ${said ?? run.shortMessage}`, {
      hint: 'This needs apt, its sources of Debian 12, and a way to them.'
    })
  }
}
