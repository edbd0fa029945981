import {Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {accountFlags, appArg, networkFlags} from '../cli/flags.ts'
import {parseSinceMs} from '../cli/format.ts'
import {logText, type ShownLine} from '../cli/log-text.ts'

export default class Logs extends CreoCommand {
  static override summary = "Show what an app's functions wrote, and what their nodes say of starts and ends."
  static override description =
    `Lines come from every node within seconds, the first words of a start and the last ones of a crash among them; the newest 1,000 of each revision are kept, \
also when their node is gone. With --follow it goes on until Ctrl-C, also over a restart of the coordinator; under --json then one object a line, whose cursor \
goes on from there with --after.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/shop --follow',
    '<%= config.bin %> <%= command.id %> colibris/shop --since 10m --function web',
    '<%= config.bin %> <%= command.id %> colibris/shop --wide',
    '<%= config.bin %> <%= command.id %> colibris/shop --revision rev_512 --json'
  ]
  static override args = appArg
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    follow: Flags.boolean({char: 'f', default: false, description: 'Wait for more.'}),
    function: Flags.string({helpValue: 'NAME', description: 'Of this function alone.'}),
    revision: Flags.string({helpValue: 'REVISION', description: 'Of this revision alone, also one that serves no more.'}),
    wide: Flags.boolean({char: 'w', default: false, description: 'Whole date, revision, node and instance in each line.'}),
    since: Flags.string({helpValue: 'TIME', description: 'Written since then: 10m, 24h or 2026-11-22T18:00:00Z.'}),
    after: Flags.integer({default: -1, min: -1, helpValue: 'CURSOR', description: 'Go on after the line with this cursor.'})
  }

  async run(): Promise<{readonly app: string; readonly lines: readonly ShownLine[]}> {
    const {args, flags} = await this.parse(Logs)
    const [{openAccount}, {readLogs}, {appNameOf}, {assertFunction, assertNotDestroyed}] = await Promise.all([
      import('../developer/context.ts'),
      import('../developer/logs.ts'),
      import('../developer/app-name.ts'),
      import('../developer/apps.ts')
    ])
    const sinceMs = flags.since === undefined ? undefined : parseSinceMs(flags.since, Date.now())
    const name = await appNameOf(args.app, '.')
    const context = await openAccount({...flags, as: flags.as ?? name.org}, this.abort)
    const {function: only, revision, after, follow, wide} = flags
    if (only !== undefined) await assertFunction(context, name, only, this.abort)
    const onAway = (error: Error): void => this.progress.say(`${error.message} Waiting until it does.`)
    const lines: ShownLine[] = []
    for await (const line of readLogs(context, name, {function: only, revision, sinceMs, after, follow, onAway, signal: this.abort})) {
      const {atMs, seq, node, instance} = line
      const at = new Date(atMs).toISOString()
      const of = {at, function: line.function ?? null, revision: line.revision, node, instance}
      const shown = {...of, line: line.line, failure: line.failure ?? null, cursor: seq}
      this.log(logText(shown, {isWide: wide}))
      if (follow) this.logJsonLine(shown)
      else lines.push(shown)
    }
    const app = `${name.org}/${name.app}`
    if (lines.length === 0) {
      await assertNotDestroyed(context.client, name, this.abort)
      const isAll = only === undefined && revision === undefined && sinceMs === undefined && after === -1
      this.logToStderr(
        isAll
          ? `${app} has written nothing yet: it starts when it is asked, creo invoke ${app}`
          : `${app} has written nothing of that: all there is shows creo logs ${app}`
      )
    }
    return {app, lines}
  }
}
