import {Args} from '@oclif/core'
import {splitApp} from '../cli/app-args.ts'
import {CreoCommand} from '../cli/base-command.ts'
import {accountFlags, appArg, networkFlags} from '../cli/flags.ts'
import type {Rollback} from '../developer/traffic.ts'

export default class RollbackCommand extends CreoCommand {
  static override summary = 'Send the traffic of an app back to the revisions that served before.'
  static override description =
    `Of each function, to the newest older revision that has served; all functions at once. Where several share the requests, the newest \
loses its share, and the one before it takes them all. Nothing is built or pushed, and routes and tags stay.`
  static override examples = ['<%= config.bin %> <%= command.id %> colibris/shop', '<%= config.bin %> <%= command.id %> colibris/shop web']
  static override args = {
    ...appArg,
    function: Args.string({description: 'This function alone.'})
  }
  static override flags = {...networkFlags, ...accountFlags}

  async run(): Promise<{readonly app: string; readonly functions: readonly Rollback[]; readonly seq: number}> {
    const {args, flags} = await this.parse(RollbackCommand)
    const [{openOrg}, {rollBack}, {appNameOf}] = await Promise.all([
      import('../developer/context.ts'),
      import('../developer/traffic.ts'),
      import('../developer/app-name.ts')
    ])
    const {app, rest} = splitApp([args.app, args.function], 1)
    const [only] = rest
    const name = await appNameOf(app, '.')
    const context = await openOrg(flags, name.org, this.abort)
    const {functions, seq} = await rollBack(context, name, only, this.abort)
    for (const {function: fn, from, to} of functions) {
      const before = from.map(({revision, percent}) => (percent === 100 ? revision : `${revision}=${percent}`))
      const left = from.flatMap(({revision}) => (revision === to ? [] : [revision]))
      this.log(`${fn}  all requests go to ${to} again, not to ${left.join(' and ')}.`)
      this.log(`Undo it: creo traffic ${name.org}/${name.app} ${fn} ${before.map((one) => `--to ${one}`).join(' ')}`)
    }
    return {app: `${name.org}/${name.app}`, functions, seq}
  }
}
