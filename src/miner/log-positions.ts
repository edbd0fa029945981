import {rename, writeFile} from 'node:fs/promises'
import {z} from 'zod'
import {readFileIfThere} from '../config/durable-file.ts'
import type {Log} from '../telemetry/log.ts'

const FILE_BYTES_MAX = 2 ** 20
const fileSchema = z.record(z.string(), z.int().min(0))

/**
 * How much of each container's output has arrived at the coordinator, in bytes. On disk so that a miner that was killed goes on where it was: its
 * containers keep what they print, so that nothing is lost, and nothing is said twice. Never synced, since no container outlives the machine either.
 */
export class LogPositions {
  readonly #path: string
  readonly #log: Log
  readonly #bytes: Map<string, number>
  #writing: Promise<void> = Promise.resolve()
  #isStale = false

  private constructor(path: string, bytes: Map<string, number>, log: Log) {
    this.#path = path
    this.#bytes = bytes
    this.#log = log
  }

  /** A file that can't be read says nothing: then what containers printed is told again. */
  static async open(path: string, log: Log): Promise<LogPositions> {
    const text = (await readFileIfThere(path, FILE_BYTES_MAX))?.toString('utf8') ?? '{}'
    try {
      return new LogPositions(path, new Map(Object.entries(fileSchema.parse(JSON.parse(text)))), log)
    } catch (error) {
      log.warn({path, error: String(error)}, 'what was told of the output of containers cannot be read')
      return new LogPositions(path, new Map(), log)
    }
  }

  of(container: string): number {
    return this.#bytes.get(container) ?? 0
  }

  readonly passed = (container: string, bytes: number): void => {
    this.#bytes.set(container, bytes)
    this.#save()
  }

  /** Forgets containers that are gone. */
  keepOnly(containers: ReadonlySet<string>): void {
    for (const container of this.#bytes.keys()) if (!containers.has(container)) this.forget(container)
  }

  forget(container: string): void {
    if (this.#bytes.delete(container)) this.#save()
  }

  /** Resolves when what is known is on disk. */
  get saved(): Promise<void> {
    return this.#writing
  }

  #save(): void {
    if (this.#isStale) return
    this.#isStale = true
    this.#writing = this.#writing.then(() => this.#write())
  }

  async #write(): Promise<void> {
    this.#isStale = false
    try {
      await writeFile(`${this.#path}.new`, JSON.stringify(Object.fromEntries(this.#bytes)), {mode: 0o600})
      await rename(`${this.#path}.new`, this.#path)
    } catch (error) {
      this.#log.warn({path: this.#path, error: String(error)}, 'what was told of the output of containers cannot be kept')
    }
  }
}
