import {Args, Flags} from '@oclif/core'
import {neededWord, splitApp} from '../../cli/app-args.ts'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, appArg, hiddenAppFlag, networkFlags} from '../../cli/flags.ts'
import type {SecretReader} from '../../developer/secrets.ts'

interface SetSecret {
  readonly app: string
  readonly name: string
  readonly version: number
  readonly setAt: string
  readonly readers: readonly SecretReader[]
  readonly readersKnown: boolean
  readonly rolled: readonly {readonly function: string; readonly revision: string}[]
  readonly notRolled: readonly string[]
}

export default class SecretsSet extends CreoCommand {
  static override summary = 'Give an app a secret, or a newer value of one.'
  static override description =
    `The value is typed without being shown, read from standard input or from a file: never from the command line, where others see it. \
It goes sealed to the coordinator, and from there sealed to each node that holds a lease of a function which lists the name under secrets in \
creo.yaml; such a function finds it in its environment. A newer value makes a new revision of each function that serves with it, which takes \
over without a gap. One line end at the end of the value is left out.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> API_KEY',
    '<%= config.bin %> <%= command.id %> colibris/shop API_KEY < key.txt',
    '<%= config.bin %> <%= command.id %> TLS_KEY --from-file key.pem'
  ]
  static override usage = '<%= command.id %> [APP] NAME [--from-file FILE] [-n CONTEXT] [--as ACCOUNT] [--json]'
  static override args = {...appArg, name: Args.string({description: 'The environment variable, for example API_KEY.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    ...hiddenAppFlag,
    'from-file': Flags.file({exists: true, helpValue: 'FILE', description: 'Take the value from this file.'})
  }

  async run(): Promise<SetSecret> {
    const {args, flags} = await this.parse(SecretsSet)
    const [{openOrg}, {secretName, secretValue, setSecret}, {appNameOf}, {readSecret}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/secrets.ts'),
      import('../../developer/app-name.ts'),
      import('../../cli/read-secret.ts')
    ])
    const {app: typed, rest} = splitApp([args.app, args.name], 1)
    const name = secretName(neededWord(rest[0], 'NAME', 'secrets set'))
    const place = await appNameOf(typed ?? flags.app, '.')
    const app = `${place.org}/${place.app}`
    const context = await openOrg(flags, place.org, this.abort)
    const value = secretValue(await readSecret({file: flags['from-file'], question: `Value of ${name}:`, signal: this.abort}))
    const {version, setAtMs, readers, readersKnown, rolled, notRolled} = await setSecret(context, place, {name, value}, this.abort)
    this.log(`${name} of ${app} is set, version ${version}.`)
    this.log(
      `Who can read it: the network's operator, and ${readersKnown ? readersText(readers) : 'the owners of the nodes that hold leases now, which could not be looked up'}.`
    )
    for (const one of rolled) this.log(`${one.function}  ${one.revision} takes over with it.`)
    for (const one of notRolled) this.log(`${one}  shares its traffic: instances that run keep the older value. Deploy it again.`)
    return {app, name, version, setAt: new Date(setAtMs).toISOString(), readers, readersKnown, rolled, notRolled}
  }
}

function readersText(readers: readonly SecretReader[]): string {
  if (readers.length === 0) return 'whoever owns a node that takes a lease of a function which names it; none does yet'
  const owners = readers.map(({owner, nodes}) => `${owner} (${nodes} ${nodes === 1 ? 'node' : 'nodes'})`)
  return `the owners of the nodes that hold leases now: ${owners.join(', ')}`
}
