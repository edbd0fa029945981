import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'

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
        nowMs: Date.now,
        log: createLog({role: 'coordinator', env: process.env})
      },
      ({url, networkId}) => {
        this.log(`The coordinator of network ${networkId} answers at ${url}. Ctrl-C stops it.`)
        this.logJsonLine({ready: true, role: 'coordinator', pid: process.pid, networkId, urls: {api: url}})
      },
      this.abort
    )
    return {stopped: true, role: 'coordinator'}
  }
}
