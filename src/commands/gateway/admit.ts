import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'

export default class GatewayAdmit extends CreoCommand {
  static override summary = 'Admit a gateway to the network, as its operator.'
  static override description =
    'Miners dial admitted gateways, and receipts of others are not paid. Admitting one again changes its addresses.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> kX3…w --tunnel https://gw.example:7800 --public https://apps.example --key /var/lib/creo/coordinator/operator.key'
  ]
  static override args = {
    'public-key': Args.string({required: true, description: 'Public key of the gateway, as `creo gateway serve` shows it.'})
  }
  static override flags = {
    ...networkFlags,
    key: Flags.file({helpValue: 'FILE', required: true, exists: true, description: "Key file of the network's operator."}),
    tunnel: Flags.url({helpValue: 'URL', required: true, description: 'Where miners dial in.'}),
    public: Flags.url({helpValue: 'URL', required: true, description: 'Where the public asks.'}),
    name: Flags.string({helpValue: 'NAME', default: 'gateway', description: 'What people call it.'})
  }

  async run(): Promise<{readonly gateway: string; readonly seq: number}> {
    const {args, flags} = await this.parse(GatewayAdmit)
    const [{openContext}, {loadKeyFile}, {admitGateway}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../identity/keys.ts'),
      import('../../developer/gateways.ts')
    ])
    const context = await openContext(flags, this.abort)
    const addresses = {name: flags.name, tunnelUrl: flags.tunnel.href, publicUrl: flags.public.href}
    const asked = {publicKey: args['public-key'], ...addresses}
    const admitted = await admitGateway(context, await loadKeyFile(flags.key), asked, this.abort)
    this.log(`Admitted ${admitted.gateway}. Undo it: creo gateway revoke ${admitted.gateway} --key ${flags.key}`)
    return admitted
  }
}
