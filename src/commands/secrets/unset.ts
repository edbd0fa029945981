import {Args} from '@oclif/core'
import {neededWord, splitApp} from '../../cli/app-args.ts'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, appArg, hiddenAppFlag, networkFlags} from '../../cli/flags.ts'

export default class SecretsUnset extends CreoCommand {
  static override summary = 'Remove a secret from an app.'
  static override description =
    'Refused while a function that serves names it: take it out of creo.yaml and deploy first. Nodes forget it with the lease for which they had it.'
  static override examples = ['<%= config.bin %> <%= command.id %> colibris/shop API_KEY']
  static override usage = '<%= command.id %> [APP] NAME [-n CONTEXT] [--as ACCOUNT] [--json]'
  static override args = {...appArg, name: Args.string({description: 'Its name, as secrets list shows it.'})}
  static override flags = {...networkFlags, ...accountFlags, ...hiddenAppFlag}

  async run(): Promise<{readonly app: string; readonly name: string; readonly status: 'unset' | 'already_unset'}> {
    const {args, flags} = await this.parse(SecretsUnset)
    const [{openOrg}, {appNameOf}, {secretName}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/app-name.ts'),
      import('../../developer/secrets.ts')
    ])
    const {app: typed, rest} = splitApp([args.app, args.name], 1)
    const name = secretName(neededWord(rest[0], 'NAME', 'secrets unset'))
    const place = await appNameOf(typed ?? flags.app, '.')
    const app = `${place.org}/${place.app}`
    const {client} = await openOrg(flags, place.org, this.abort)
    const {status} = await client.unsetSecret(place, name, this.abort)
    this.log(status === 'unset' ? `${name} of ${app} is unset.` : `${name} of ${app} was not set.`)
    if (status === 'already_unset') {
      const [{secrets}, {nearestOf}] = await Promise.all([client.secrets(place, this.abort), import('../../core/nearest.ts')])
      const known = secrets.map((secret) => secret.name)
      const nearest = nearestOf(name, known)
      if (nearest !== undefined) this.logToStderr(`Did you mean ${nearest}?`)
    }
    return {app, name, status}
  }
}
