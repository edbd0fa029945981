import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, appArg, networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'

interface ShownSchedule {
  readonly function: string
  readonly schedule: string
  readonly timezone: string
  readonly method: string
  readonly path: string
  /** Null: it never comes due. */
  readonly nextAt: string | null
  readonly last: {
    readonly scheduledAt: string
    readonly call?: string | undefined
    readonly state: string
    readonly status?: number
    readonly error?: string
  } | null
}

export default class CronList extends CreoCommand {
  static override summary = "List an app's schedules: when each comes due next, and what came of the last time."
  static override description = 'What is fired is a call that is answered later: creo async show says all of it.'
  static override examples = ['<%= config.bin %> <%= command.id %> colibris/shop']
  static override args = appArg
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<{readonly app: string; readonly schedules: readonly ShownSchedule[]}> {
    const {args, flags} = await this.parse(CronList)
    const [{openAccount}, {appNameOf}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/app-name.ts')])
    const name = await appNameOf(args.app, '.')
    const {client} = await openAccount({...flags, as: flags.as ?? name.org}, this.abort)
    const {schedules} = await client.schedules(name, this.abort)
    const shown = schedules.map(({nextAtMs, last, ...schedule}): ShownSchedule => {
      const nextAt = nextAtMs === null ? null : new Date(nextAtMs).toISOString()
      if (last === null) return {...schedule, nextAt, last}
      const {scheduledAtMs, ...rest} = last
      return {...schedule, nextAt, last: {scheduledAt: new Date(scheduledAtMs).toISOString(), ...rest}}
    })
    if (shown.length === 0)
      this.logToStderr(`${name.org}/${name.app} has no schedules. They are written in creo.yaml, under cron: of a function.`)
    else
      this.log(
        renderTable(shown, [
          {header: 'FUNCTION', value: (row) => row.function},
          {header: 'SCHEDULE', value: (row) => `${row.schedule} ${row.timezone}`},
          {header: 'REQUEST', value: (row) => `${row.method} ${row.path}`},
          {header: 'NEXT', value: (row) => (row.nextAt === null ? 'never' : toMinute(row.nextAt))},
          {header: 'LAST', value: ({last}) => (last === null ? '' : lastText(last))}
        ])
      )
    return {app: `${name.org}/${name.app}`, schedules: shown}
  }
}

function lastText({state, status, scheduledAt}: NonNullable<ShownSchedule['last']>): string {
  return `${state}${status === undefined ? '' : ` ${status}`}, ${toMinute(scheduledAt)}`
}

/** No schedule is finer. */
function toMinute(time: string): string {
  return `${time.slice(0, 'YYYY-MM-DD'.length)} ${time.slice('YYYY-MM-DDT'.length, 'YYYY-MM-DDTHH:MM'.length)}Z`
}
