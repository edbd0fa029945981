import {join} from 'node:path'
import {z} from 'zod'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {dataUsed, hasDataRoom, monthOf, type OwnerTerms} from '../core/availability.ts'
import {CreoError} from '../core/errors.ts'

/** Two years: older months count no more. */
const MONTHS_MAX = 24
const fileSchema = z.object({format: z.literal('creo-data-used-v1'), months: z.record(z.string().regex(/^\d{4,6}-\d\d$/), z.int().min(0))})

export interface DataPlanOptions {
  readonly dataDirectory: string
  readonly terms: () => Pick<OwnerTerms, 'dataBytesPerMonth'>
  readonly now: () => number
  readonly timeZone: string
}

/** Counts what passes over the owner's line in a calendar month, on disk within a second, against what the owner lends of it. */
export class DataPlan {
  readonly #options: DataPlanOptions
  readonly #months: Record<string, number>
  /** How often was counted, and how much of that is on disk. */
  #counts = 0
  #savedCounts = 0
  /** The second that is now, its month, and what counts against that: asking the calendar for each piece that passes would take longer than passing it. */
  #second = Number.NaN
  #month = ''
  #usedBytes = 0

  private constructor(options: DataPlanOptions, months: Record<string, number>) {
    this.#options = options
    this.#months = months
  }

  /** @throws {CreoError} `invalid_input` when the file is no such count: starting at nothing would break the owner's cap. */
  static async open(options: DataPlanOptions): Promise<DataPlan> {
    const path = pathIn(options.dataDirectory)
    const bytes = await readFileIfThere(path)
    if (bytes === undefined) return new DataPlan(options, {})
    try {
      return new DataPlan(options, {...fileSchema.parse(JSON.parse(bytes.toString('utf8'))).months})
    } catch (cause) {
      throw new CreoError('invalid_input', `${path} is not a count of data.`, {
        hint: 'Move it away; the month is then counted from nothing.',
        cause
      })
    }
  }

  get usedBytes(): number {
    this.#lookAtClock()
    return this.#usedBytes
  }

  count(bytes: number): void {
    if (bytes === 0) return
    this.#lookAtClock()
    this.#months[this.#month] = (this.#months[this.#month] ?? 0) + bytes
    this.#usedBytes += bytes
    this.#counts += 1
  }

  hasRoom(bytes: number): boolean {
    return hasDataRoom(this.#options.terms(), this.usedBytes, bytes)
  }

  /** @throws {CreoError} `overloaded` when so many more may not pass. */
  assertRoom(bytes: number): void {
    if (!this.hasRoom(bytes)) throw refusal('overloaded')
  }

  /** Counts bytes that have passed. @throws {CreoError} `rejected`, which nothing tries again at once, when the month is used up with them. */
  countOrCut(bytes: number): void {
    this.count(bytes)
    if (!this.hasRoom(0)) throw refusal('rejected')
  }

  /** Once it has failed, the next call tries again. */
  async save(): Promise<void> {
    const counts = this.#counts
    if (counts === this.#savedCounts) return
    for (const old of Object.keys(this.#months).sort().slice(0, -MONTHS_MAX)) delete this.#months[old]
    this.#second = Number.NaN
    await writeFileDurably(pathIn(this.#options.dataDirectory), JSON.stringify({format: 'creo-data-used-v1', months: this.#months}))
    this.#savedCounts = counts
  }

  #lookAtClock(): void {
    const nowMs = this.#options.now()
    const second = Math.floor(nowMs / 1000)
    if (second === this.#second) return
    this.#second = second
    this.#month = monthOf(nowMs, this.#options.timeZone)
    this.#usedBytes = dataUsed(this.#months, this.#month)
  }
}

function pathIn(dataDirectory: string): string {
  return join(dataDirectory, 'data-used.json')
}

function refusal(code: 'overloaded' | 'rejected'): CreoError {
  return new CreoError(code, 'What the owner of the node lends of the line this month does not suffice.', {
    hint: 'The owner can lend more with --data.'
  })
}
