import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, appArg, hiddenAppFlag, networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'

interface ListedSecret {
  readonly name: string
  readonly version: number
  readonly setAt: string
  /** Id of the key by which it was set. */
  readonly keyId: string
}

export default class SecretsList extends CreoCommand {
  static override summary = "List an app's secrets by name, never their values."
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> colibris/shop']
  static override args = appArg
  static override flags = {...networkFlags, ...accountFlags, ...hiddenAppFlag}

  async run(): Promise<{readonly app: string; readonly secrets: readonly ListedSecret[]}> {
    const {args, flags} = await this.parse(SecretsList)
    const [{openAccount}, {appNameOf}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/app-name.ts')])
    const place = await appNameOf(args.app ?? flags.app, '.')
    const app = `${place.org}/${place.app}`
    const {client} = await openAccount({...flags, as: flags.as ?? place.org}, this.abort)
    const {secrets: known} = await client.secrets(place, this.abort)
    const secrets = known.map(({name, version, setAtMs, keyId}) => ({name, version, setAt: new Date(setAtMs).toISOString(), keyId}))
    if (secrets.length === 0) this.log(`${app} has no secrets. Set one: creo secrets set ${app} NAME`)
    else
      this.log(
        renderTable(secrets, [
          {header: 'NAME', value: (row) => row.name},
          {header: 'VERSION', value: (row) => String(row.version), align: 'right'},
          {header: 'SET', value: (row) => row.setAt},
          {header: 'BY KEY', value: (row) => row.keyId}
        ])
      )
    return {app, secrets}
  }
}
