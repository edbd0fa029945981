import {Cron} from 'croner'
import {CreoError} from '../../core/errors.ts'
import {sha256Hex} from '../../identity/keys.ts'
import type {LedgerReads} from '../../ledger/port.ts'

const METHOD = 'POST'
const TIMEZONE = 'UTC'

/** One line of a function's `cron:`. */
export interface Schedule {
  /** The same as long as nothing of it changes, whatever else of the function does. */
  readonly key: string
  readonly org: string
  readonly app: string
  readonly function: string
  readonly schedule: string
  readonly timezone: string
  readonly method: string
  readonly path: string
}

/** The schedules in force: those of the revision that gets most of each function's traffic. */
export function schedulesInForce(reads: LedgerReads): Schedule[] {
  const specs = new Map(reads.currentRevisions().map(({id, spec}) => [id, spec]))
  const schedules = new Map<string, Schedule>()
  for (const {org, app, functions} of reads.appRoutes()) {
    for (const {function: name, revision} of functions) {
      for (const {schedule, path, method = METHOD, timezone = TIMEZONE} of specs.get(revision)?.cron ?? []) {
        const of = {org, app, function: name, schedule, timezone, method, path}
        const key = sha256Hex(JSON.stringify(Object.values(of)))
        schedules.set(key, {key, ...of})
      }
    }
  }
  return [...schedules.values()]
}

/** When a schedule comes due, by its time zone. Days and hours that a change of the clock leaves out or repeats are croner's to judge. */
export class DueTimes {
  readonly #cron: Cron

  /** @throws {CreoError} `invalid_input` for what is no schedule or no time zone. */
  constructor({schedule, timezone}: Pick<Schedule, 'schedule' | 'timezone'>) {
    try {
      this.#cron = new Cron(schedule, {timezone, paused: true, mode: '5-part'})
      this.#cron.nextRun(new Date(0))
    } catch (cause) {
      throw new CreoError(
        'invalid_input',
        `"${schedule}" in ${timezone} is no schedule: ${cause instanceof Error ? cause.message : String(cause)}`,
        {
          hint: 'Write five fields, for example "*/15 * * * *", and a time zone such as Europe/Berlin.',
          cause
        }
      )
    }
  }

  /** The first one after this time; undefined when there is none. */
  after(atMs: number): number | undefined {
    return this.#cron.nextRun(new Date(atMs))?.getTime()
  }

  /** The last one until this time, itself included, and after `afterMs`; undefined when there is none. */
  lastUntil(atMs: number, afterMs: number): number | undefined {
    // The reference itself is left out.
    const [last] = this.#cron.previousRuns(1, new Date(atMs + 1))
    const lastMs = last?.getTime()
    return lastMs !== undefined && lastMs > afterMs && lastMs <= atMs ? lastMs : undefined
  }
}
