import {rename, writeFile} from 'node:fs/promises'
import {z} from 'zod'
import {readFileIfThere} from '../config/durable-file.ts'
import type {Log} from '../telemetry/log.ts'

const FILE_BYTES_MAX = 2 ** 20

export interface ContainerFactsOptions<T> {
  readonly path: string
  readonly schema: z.ZodType<T>
  /** What the facts are, for the log. */
  readonly about: string
  readonly log: Log
}

/**
 * One fact about each container, on disk so that a miner that was killed goes on where it was. Never synced, since no container outlives the machine
 * either; what can't be written is known until the process ends.
 */
export class ContainerFacts<T> {
  readonly #options: ContainerFactsOptions<T>
  readonly #facts: Map<string, T>
  #writing: Promise<void> = Promise.resolve()
  #isStale = false

  private constructor(options: ContainerFactsOptions<T>, facts: Map<string, T>) {
    this.#options = options
    this.#facts = facts
  }

  /** A file that can't be read says nothing. */
  static async open<T>(options: ContainerFactsOptions<T>): Promise<ContainerFacts<T>> {
    const {path, schema, about, log} = options
    const text = (await readFileIfThere(path, FILE_BYTES_MAX))?.toString('utf8') ?? '{}'
    try {
      return new ContainerFacts(options, new Map(Object.entries(z.record(z.string(), schema).parse(JSON.parse(text)))))
    } catch (error) {
      log.warn({path, error: String(error)}, `${about} cannot be read`)
      return new ContainerFacts(options, new Map())
    }
  }

  get(container: string): T | undefined {
    return this.#facts.get(container)
  }

  set(container: string, fact: T): void {
    this.#facts.set(container, fact)
    this.#save()
  }

  forget(container: string): void {
    if (this.#facts.delete(container)) this.#save()
  }

  /** Forgets containers that are gone. */
  keepOnly(containers: ReadonlySet<string>): void {
    for (const container of this.#facts.keys()) if (!containers.has(container)) this.forget(container)
  }

  /** Resolves when what is known is on disk. */
  get saved(): Promise<void> {
    return this.#writing
  }

  /** Changes that come while one write is under way share the next. */
  #save(): void {
    if (this.#isStale) return
    this.#isStale = true
    this.#writing = this.#writing.then(() => this.#write())
  }

  async #write(): Promise<void> {
    const {path, about, log} = this.#options
    this.#isStale = false
    try {
      await writeFile(`${path}.new`, JSON.stringify(Object.fromEntries(this.#facts)), {mode: 0o600})
      await rename(`${path}.new`, path)
    } catch (error) {
      log.warn({path, error: String(error)}, `${about} cannot be kept`)
    }
  }
}
