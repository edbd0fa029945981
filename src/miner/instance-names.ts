import {rename, writeFile} from 'node:fs/promises'
import {z} from 'zod'
import {readFileIfThere} from '../config/durable-file.ts'
import type {Log} from '../telemetry/log.ts'

const FILE_BYTES_MAX = 2 ** 20

const nameSchema = z.object({instance: z.string(), gateway: z.string(), lease: z.string()})
const fileSchema = z.record(z.string(), nameSchema)

/** What a gateway calls an instance, and what it asked for it under. */
export type InstanceName = z.output<typeof nameSchema>

/**
 * Which instance each container became that had waited: its own labels say where it came from, not who has asked for it since. Kept on disk so that
 * a miner that was killed knows its instances again; never synced, since no container outlives the machine either.
 */
export class InstanceNames {
  readonly #path: string
  readonly #log: Log
  readonly #names: Map<string, InstanceName>
  #writing: Promise<void> = Promise.resolve()
  #isStale = false

  private constructor(path: string, names: Map<string, InstanceName>, log: Log) {
    this.#path = path
    this.#names = names
    this.#log = log
  }

  /** A file that can't be read names nothing: then a container goes by its labels. */
  static async open(path: string, log: Log): Promise<InstanceNames> {
    const bytes = await readFileIfThere(path, FILE_BYTES_MAX)
    try {
      return new InstanceNames(path, new Map(Object.entries(fileSchema.parse(JSON.parse(bytes?.toString('utf8') ?? '{}')))), log)
    } catch (error) {
      log.warn({path, error: String(error)}, 'the names of instances cannot be read')
      return new InstanceNames(path, new Map(), log)
    }
  }

  get(container: string): InstanceName | undefined {
    return this.#names.get(container)
  }

  set(container: string, name: InstanceName): void {
    this.#names.set(container, name)
    this.#save()
  }

  delete(container: string): void {
    if (this.#names.delete(container)) this.#save()
  }

  /** Forgets containers that are gone. */
  keepOnly(containers: ReadonlySet<string>): void {
    for (const container of this.#names.keys()) if (!containers.has(container)) this.delete(container)
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
    this.#isStale = false
    try {
      await writeFile(`${this.#path}.new`, JSON.stringify(Object.fromEntries(this.#names)), {mode: 0o600})
      await rename(`${this.#path}.new`, this.#path)
    } catch (error) {
      this.#log.warn({error: String(error)}, 'the names of instances could not be written')
    }
  }
}
