import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import type {RevokedGateway} from '../../developer/gateways.ts'

export default class GatewayRevoke extends CreoCommand {
  static override summary = 'Take a gateway out of the network, as its operator.'
  static override description =
    'Miners leave it as soon as they hear of it, and what it counts from then on is not paid. What it counted before still is.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> gw_5e0c… --key /var/lib/creo/coordinator/operator.key',
    '<%= config.bin %> <%= command.id %> kX3…w --key /var/lib/creo/coordinator/operator.key'
  ]
  static override args = {gateway: Args.string({required: true, description: 'Its id, gw_…, or its public key.'})}
  static override flags = {
    ...networkFlags,
    key: Flags.file({helpValue: 'FILE', required: true, exists: true, description: "Key file of the network's operator."})
  }

  async run(): Promise<RevokedGateway> {
    const {args, flags} = await this.parse(GatewayRevoke)
    const [{openContext}, {loadKeyFile}, {revokeGateway}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../identity/keys.ts'),
      import('../../developer/gateways.ts')
    ])
    const context = await openContext(flags, this.abort)
    const revoked = await revokeGateway(context, await loadKeyFile(flags.key), args.gateway, this.abort)
    const {gateway, status} = revoked
    if (status === 'revoked') this.log(`Revoked ${gateway}. Undo it: creo gateway admit with its public key and addresses.`)
    else this.log(`${gateway} is not admitted: nothing was changed.`)
    return revoked
  }
}
