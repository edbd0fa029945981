import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {RECEIPT_WINDOW_MAX_MS} from '../../core/metering.ts'

export default class GatewayServe extends CreoCommand {
  static override summary = 'Run a gateway: public HTTP in, tunnels to miners behind it.'
  static override description =
    `The first start makes the gateway's key in the folder; the network's operator admits it with \`creo gateway admit\`.
Until then, and whenever the coordinator is away, it runs on with the last table it has.
With --json it prints one line when its listeners stand.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> --data /var/lib/creo/gateway --coordinator http://127.0.0.1:7700 --network-id 3f0c…'
  ]
  static override flags = {
    data: Flags.string({
      required: true,
      helpValue: 'DIR',
      description: 'Folder of this gateway alone: its key, its table, its unsigned receipts.'
    }),
    coordinator: Flags.string({required: true, helpValue: 'URL', description: 'The coordinator of the network.'}),
    'network-id': Flags.string({required: true, helpValue: 'HASH', description: 'Id of the network: the hash of its genesis.'}),
    listen: Flags.string({
      default: '127.0.0.1:7801',
      helpValue: 'HOST:PORT',
      description: 'Where the public asks; port 0 lets the system choose.'
    }),
    tunnel: Flags.string({
      default: '127.0.0.1:7800',
      helpValue: 'HOST:PORT',
      description: 'Where miners dial in, with health, metrics and status under /.creo/.'
    }),
    settings: Flags.string({helpValue: 'FILE', description: 'Limits, certificate and access log, YAML or JSON; read again on SIGHUP.'}),
    'tls-cert': Flags.string({
      helpValue: 'FILE',
      dependsOn: ['tls-key'],
      description: 'Certificate chain of the public address, PEM; read again on SIGHUP.'
    }),
    'tls-key': Flags.string({helpValue: 'FILE', dependsOn: ['tls-cert'], description: 'Private key of that certificate, PEM.'}),
    'window-ms': Flags.integer({
      min: 100,
      max: RECEIPT_WINDOW_MAX_MS,
      helpValue: 'MS',
      description: "Length of a receipt's window; 10 s, or 1 s in a development network."
    })
  }

  async run(): Promise<{readonly stopped: true; readonly role: 'gateway'}> {
    const {flags} = await this.parse(GatewayServe)
    const {'tls-cert': cert, 'tls-key': key} = flags
    const {runGateway} = await import('../../gateway/run-gateway.ts')
    await runGateway({
      data: flags.data,
      coordinatorUrl: flags.coordinator,
      networkId: flags['network-id'],
      listen: flags.listen,
      tunnel: flags.tunnel,
      settings: flags.settings,
      tls: cert === undefined || key === undefined ? undefined : {cert, key},
      windowMs: flags['window-ms'],
      env: process.env,
      signal: this.abort,
      onReady: (ready) => {
        this.log(`The gateway ${ready.id} answers at ${ready.urls.public}; miners dial ${ready.urls.tunnel}. Its public key is`)
        this.log(ready.publicKey)
        this.logJsonLine(ready)
      }
    })
    return {stopped: true, role: 'gateway'}
  }
}
