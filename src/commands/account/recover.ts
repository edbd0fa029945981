import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'

interface ShownRecovery {
  readonly id: string
  readonly name: string
  readonly keyId: string
  readonly keyPath: string
  readonly movedTo?: string
  readonly dueAt: string
  readonly status: 'started' | 'already_started'
}

export default class AccountRecover extends CreoCommand {
  static override summary = 'Recover an account whose owner keys are lost, by its recovery code.'
  static override description =
    `Makes a new key on this machine, also where one lies. After a delay (72 hours; in a development network a minute) it takes the place of all \
owner keys, unless one of them says no: creo account recovery cancel. The code is asked for, or read from stdin; it is never a flag.`
  static override examples = ['<%= config.bin %> <%= command.id %> colibris', '<%= config.bin %> <%= command.id %> colibris < code.txt']
  static override args = {name: Args.string({required: true, description: 'Name of the account.'})}
  static override flags = {...networkFlags}

  async run(): Promise<ShownRecovery> {
    const {args, flags} = await this.parse(AccountRecover)
    const [{startRecovery}, {readSecret}] = await Promise.all([import('../../developer/recovery.ts'), import('../../cli/read-secret.ts')])
    const code = String(await readSecret({file: undefined, question: 'Recovery code:', signal: this.abort})).trim()
    const {dueAtMs, ...started} = await startRecovery(flags, {name: args.name, code}, this.abort)
    const dueAt = new Date(dueAtMs).toISOString()
    this.log(
      `From ${dueAt.slice(0, 19).replace('T', ' ')} UTC on, this machine's key is the owner of ${started.name}, unless an owner says no before.`
    )
    this.log(`It is ${started.keyPath}. Then make a new code with: creo account recovery renew --as ${started.name}`)
    if (started.movedTo !== undefined) this.log(`The key that was in its place is not used: it is now ${started.movedTo}.`)
    return {...started, dueAt}
  }
}
