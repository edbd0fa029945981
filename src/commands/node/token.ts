import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags} from '../../cli/flags.ts'
import {parseDurationMs} from '../../cli/format.ts'

export default class NodeToken extends CreoCommand {
  static override summary = 'Make a one-use token with which a machine joins as your node.'
  static override description = `Whoever uses the token first becomes your node: what it earns is yours. The token is shown once and \
stored nowhere; the ledger knows only its hash.`
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --expires 30m']
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    expires: Flags.string({default: '24h', helpValue: 'DURATION', description: 'How long it can be used.'})
  }

  async run(): Promise<{readonly token: string; readonly expiresAt: string; readonly owner: string}> {
    const {flags} = await this.parse(NodeToken)
    const [{openAccount}, {createNodeToken}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/node-token.ts')
    ])
    const lifetimeMs = parseDurationMs(flags.expires)
    const context = await openAccount(flags, this.abort)
    const {token, expiresAtMs} = await createNodeToken(context, lifetimeMs)
    const expiresAt = new Date(expiresAtMs).toISOString()
    this.log(token)
    this.logToStderr(`Good once, until ${expiresAt}. On the machine that joins: creo mine start --token …`)
    return {token, expiresAt, owner: context.account.name}
  }
}
