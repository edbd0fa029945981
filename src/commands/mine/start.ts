import {resolve} from 'node:path'
import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {lendingFlags} from '../../cli/lending-flags.ts'
import type {DrainReport} from '../../miner/drain.ts'
import type {GivenSettings} from '../../miner/settings.ts'
import type {MinerStatus} from '../../miner/status-file.ts'

export default class MineStart extends CreoCommand {
  static override summary = 'Lend this machine to a network and earn incentives.'
  static override description = `Runs functions in containers under limits, dials out to the network's gateways and listens nowhere.
The first start enrolls the machine with a one-use token; what was given is remembered, so later starts need no flags. Its network is the one \
that creo network join made current, if the flags name none. On a terminal, a first start without --earn shows what there is to earn and asks.
Ctrl-C or SIGTERM lets requests finish, stops every container and hands in the last receipts.
Your own root user can read what you host; the organizations know that.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> --coordinator http://127.0.0.1:7700 --network-id HASH --token TOKEN --earn colibris/LEAF --earn gutta',
    '<%= config.bin %> <%= command.id %> --cpu 1.5 --memory 2GiB --disk 20GiB --data 20GB/month --hours 22:00-06:00 --only-idle --on-battery=no',
    '<%= config.bin %> <%= command.id %>'
  ]
  static override flags = {
    ...lendingFlags,
    coordinator: Flags.string({env: 'CREO_COORDINATOR', helpValue: 'URL', description: "Address of the network's coordinator."}),
    'network-id': Flags.string({env: 'CREO_NETWORK_ID', helpValue: 'HASH', description: 'Id of the network: the hash of its genesis.'}),
    token: Flags.string({env: 'CREO_TOKEN', helpValue: 'TOKEN', description: 'One-use join token of the owner, for the first start.'}),
    name: Flags.string({helpValue: 'NAME', description: 'What this node is called. Default: the host name.'}),
    runtime: Flags.string({helpValue: 'NAME', description: 'Container runtime of an installed plugin. Default: podman.'}),
    'allow-unlimited': Flags.boolean({description: 'Work although limits cannot be enforced here; in a development network alone.'})
  }

  async run(): Promise<DrainReport & {readonly stopped: true; readonly role: 'miner'}> {
    const {flags} = await this.parse(MineStart)
    const [
      {runMiner},
      {withJoinedNetwork},
      {createLog, teeLog},
      {rotatingLogFile},
      {readLending},
      {LOG_FILE_BYTES_MAX, nodeLogPath},
      {makeFolders}
    ] = await Promise.all([
      import('../../compose/miner-role.ts'),
      import('../../compose/offers-before-start.ts'),
      import('../../telemetry/log.ts'),
      import('../../telemetry/rotating-log-file.ts'),
      import('../../cli/read-lending.ts'),
      import('../../miner/node-log.ts'),
      import('../../config/make-folder.ts')
    ])
    const lending = readLending(flags)
    const {directory} = lending
    const {coordinator: coordinatorUrl, 'network-id': networkId, name, runtime} = flags
    const said = await withJoinedNetwork(directory, {...lending.given, coordinatorUrl, networkId, name, runtime})
    const given = {...said, earn: said.earn ?? (await this.#pickEarn(directory, said))}
    makeFolders(resolve(directory), 'CREO_DATA_DIR')
    const stream = teeLog(rotatingLogFile(nodeLogPath(directory), LOG_FILE_BYTES_MAX))
    const log = createLog({role: 'miner', env: process.env, stream})
    const options = {
      directory,
      given,
      token: flags.token,
      allowUnlimited: flags['allow-unlimited'],
      config: this.config,
      env: process.env,
      log
    }
    const report = await runMiner(options, (status) => this.#sayReady(status), this.abort)
    this.log(`Stopped: ${report.containersStopped} containers ended, ${report.receiptsWaiting} receipts wait for the next start.`)
    return {stopped: true, role: 'miner', ...report}
  }

  /** On a terminal, a first start that does not say what to earn is asked. */
  async #pickEarn(directory: string, given: GivenSettings): Promise<readonly string[] | undefined> {
    if (!process.stdin.isTTY || this.jsonEnabled()) return undefined
    const [{offersBeforeStart}, {pickEarn}, {askText}] = await Promise.all([
      import('../../compose/offers-before-start.ts'),
      import('../../cli/pick-earn.ts'),
      import('../../cli/prompt.ts')
    ])
    const offers = await offersBeforeStart(directory, given, this.abort)
    if (offers === undefined) return undefined
    const ask = (question: string): Promise<string> => askText(question, {flag: '--earn', signal: this.abort})
    return await pickEarn(offers, {ask, say: (text) => this.logToStderr(text)})
  }

  #sayReady(status: MinerStatus): void {
    const connected = status.gateways.filter((gateway) => gateway.connected).length
    this.log(`Mining as ${status.node}, ${connected} of ${status.gateways.length} gateways connected. Ctrl-C stops it.`)
    if (status.noWorkReason !== null) this.log(`No work yet: ${status.noWorkReason}`)
    this.logJsonLine({ready: true, role: 'miner', pid: process.pid, node: status.node, urls: {}, gateways: status.gateways})
  }
}
