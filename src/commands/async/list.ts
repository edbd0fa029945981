import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {type ListedCall, shownCall} from '../../cli/call-text.ts'
import {accountFlags, appArg, networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'

const STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const
const CALLS_SHOWN_MAX = 1000

interface Listed {
  readonly app: string
  readonly calls: readonly ListedCall[]
  readonly silent: readonly string[]
}

export default class AsyncList extends CreoCommand {
  static override summary = "List an app's calls that are answered later, newest first."
  static override description =
    'With --state failed: those that can be tried again by creo async retry. What each came to: creo async show. A key that is only a viewer is not told their ids.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/shop',
    '<%= config.bin %> <%= command.id %> colibris/shop --state failed'
  ]
  static override args = appArg
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    state: Flags.option({options: STATES, description: 'Only those in this state.'})(),
    limit: Flags.integer({helpValue: 'N', default: 50, min: 1, max: CALLS_SHOWN_MAX, description: 'The newest so many.'})
  }

  async run(): Promise<Listed> {
    const {args, flags} = await this.parse(AsyncList)
    const [{openAccount}, {appNameOf}, {assertNotDestroyed}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/app-name.ts'),
      import('../../developer/apps.ts')
    ])
    const name = await appNameOf(args.app, '.')
    const {client} = await openAccount({...flags, as: flags.as ?? name.org}, this.abort)
    const {calls, silent} = await client.calls(
      name,
      {limit: flags.limit, ...(flags.state !== undefined && {state: flags.state})},
      this.abort
    )
    const shown = calls.map((call) => shownCall(call))
    const app = `${name.org}/${name.app}`
    if (shown.length === 0) {
      await assertNotDestroyed(client, name, this.abort)
      const wanted = flags.state === undefined ? 'no calls that are answered later yet' : `no calls in the state ${flags.state}`
      this.logToStderr(`${app} has ${wanted}. Make one: creo invoke ${app} PATH --async`)
    } else
      this.log(
        renderTable(shown, [
          {header: 'CALL', value: (row) => row.id ?? '-'},
          {header: 'STATE', value: (row) => row.state},
          {header: 'TRIES', value: (row) => String(row.attempts), align: 'right'},
          {header: 'FUNCTION', value: (row) => row.function.split('/')[2] ?? 'callback'}
        ])
      )
    if (silent.length > 0) this.logToStderr(`No answer from ${silent.join(', ')}: what they have is missing.`)
    return {app, calls: shown, silent}
  }
}
