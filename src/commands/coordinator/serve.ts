import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {LEASES_PER_NODE_DEFAULT, LEASES_PER_NODE_MOST} from '../../core/lease-count.ts'

export default class CoordinatorServe extends CreoCommand {
  static override summary = 'Run the coordinator of a network: accounts, ledger, markets, leases, image registry.'
  static override description = `Stops cleanly at SIGTERM or Ctrl-C; a kill at any moment loses nothing that was acknowledged.
With --json it prints one line when it is ready.`
  static override examples = ['<%= config.bin %> <%= command.id %> --data /var/lib/creo/coordinator --listen 127.0.0.1:7700']
  static override flags = {
    data: Flags.string({required: true, helpValue: 'DIR', description: 'Folder that `creo coordinator init` made.'}),
    listen: Flags.string({
      default: '127.0.0.1:7700',
      helpValue: 'HOST:PORT',
      description: 'Address of the public API; port 0 lets the system choose.'
    }),
    'leases-per-node': Flags.integer({
      min: 1,
      max: LEASES_PER_NODE_MOST,
      helpValue: 'N',
      description: `Most functions that one node is given, whatever it offers. Default: ${LEASES_PER_NODE_DEFAULT}.`
    }),
    'requests-per-second': Flags.integer({
      min: 1,
      max: 1_000_000,
      helpValue: 'N',
      description: 'Most requests that one address may make for long; a proxy in front is one address unless it is trusted. Default: 2000.'
    }),
    'account-requests-per-second': Flags.integer({
      min: 1,
      max: 1_000_000,
      helpValue: 'N',
      description: 'Most signed requests that one account, or one node, may make for long. Default: 200.'
    }),
    'account-commands-per-second': Flags.integer({
      min: 1,
      max: 1_000_000,
      helpValue: 'N',
      description: 'Most commands that one account may send for long. Default: 1000.'
    }),
    'trusted-proxies': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      helpValue: 'CIDR',
      description: 'Proxies whose X-Forwarded-For or Forwarded says for whom they ask, so that limits count clients. Default: none.'
    })
  }

  async run(): Promise<{readonly stopped: true; readonly role: 'coordinator'}> {
    const {flags} = await this.parse(CoordinatorServe)
    const [{serveCoordinator}, {parseListenAddress}, {createLog}] = await Promise.all([
      import('../../coordinator/server.ts'),
      import('../../coordinator/listen-address.ts'),
      import('../../telemetry/log.ts')
    ])
    await serveCoordinator(
      {
        directory: flags.data,
        ...parseListenAddress(flags.listen),
        version: this.config.version,
        operatorSettings: {
          leasesPerNodeMax: flags['leases-per-node'],
          requestsPerSecondMax: flags['requests-per-second'],
          accountRequestsPerSecondMax: flags['account-requests-per-second'],
          accountCommandsPerSecondMax: flags['account-commands-per-second'],
          trustedProxies: flags['trusted-proxies']
        },
        nowMs: Date.now,
        monotonicMs: () => performance.now(),
        log: createLog({role: 'coordinator', env: process.env})
      },
      ({url, networkId}) => {
        this.log(`The coordinator of network ${networkId} answers at ${url}. Ctrl-C stops it.`)
        this.log(`How it is, for who is on this machine: ${url}/operator`)
        this.logJsonLine({ready: true, role: 'coordinator', pid: process.pid, networkId, urls: {api: url}})
      },
      this.abort
    )
    return {stopped: true, role: 'coordinator'}
  }
}
