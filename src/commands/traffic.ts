import {Args, Flags} from '@oclif/core'
import {splitApp} from '../cli/app-args.ts'
import {CreoCommand} from '../cli/base-command.ts'
import {accountFlags, appArg, networkFlags} from '../cli/flags.ts'
import {renderTable} from '../cli/table.ts'
import type {FunctionTraffic} from '../developer/traffic.ts'

interface Traffic {
  readonly app: string
  readonly functions: readonly FunctionTraffic[]
  /** Null when nothing was changed. */
  readonly seq: number | null
}

export default class TrafficCommand extends CreoCommand {
  static override summary = "Show or change which revisions an app's requests go to."
  static override description =
    `Without --to, --tag and --untag it shows. A tag gives one revision an address of its own, whatever its share. Nothing is lost \
in a change: requests under way end where they are, and a revision that is not warm yet is stood in for by one that is.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/shop',
    '<%= config.bin %> <%= command.id %> colibris/shop web --to rev_512=5 --to rev_448=95',
    '<%= config.bin %> <%= command.id %> colibris/shop web --to rev_512 --untag next',
    '<%= config.bin %> <%= command.id %> colibris/shop web --tag next=rev_512'
  ]
  static override args = {
    ...appArg,
    function: Args.string({description: 'One function; needed for a change when the app has several.'})
  }
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    to: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'REVISION=PERCENT',
      description: 'A revision, or a tag, and its share; once for each. Without a number all of it.'
    }),
    tag: Flags.string({multiple: true, multipleNonGreedy: true, helpValue: 'NAME=REVISION', description: 'Give a tag, or move it.'}),
    untag: Flags.string({multiple: true, multipleNonGreedy: true, helpValue: 'NAME', description: 'Take a tag away.'})
  }

  async run(): Promise<Traffic> {
    const {args, flags} = await this.parse(TrafficCommand)
    const [{openOrg, openContext}, {readTraffic, changeTraffic}, {appNameOf}] = await Promise.all([
      import('../developer/context.ts'),
      import('../developer/traffic.ts'),
      import('../developer/app-name.ts')
    ])
    const {app, rest} = splitApp([args.app, args.function], 1)
    const [only] = rest
    const name = await appNameOf(app, '.')
    const {to = [], tag = [], untag = []} = flags
    const isChange = to.length + tag.length + untag.length > 0
    const context = isChange ? await openOrg(flags, name.org, this.abort) : undefined
    const seq = context === undefined ? null : await changeTraffic(context, name, {function: only, to, tag, untag}, this.abort)
    const functions = await readTraffic(context ?? (await openContext(flags, this.abort)), name, only, this.abort)
    this.log(
      renderTable(
        functions.flatMap((one) => [
          ...one.traffic.map(({revision, percent}) => ({function: one.function, what: `${percent} %`, revision, address: ''})),
          ...one.tags.map(({tag: label, revision, address}) => ({function: one.function, what: label, revision, address: address ?? ''}))
        ]),
        [
          {header: 'FUNCTION', value: (row) => row.function},
          {header: 'SHARE OR TAG', value: (row) => row.what, align: 'right'},
          {header: 'REVISION', value: (row) => row.revision},
          {header: 'ADDRESS', value: (row) => row.address}
        ]
      )
    )
    return {app: `${name.org}/${name.app}`, functions, seq}
  }
}
