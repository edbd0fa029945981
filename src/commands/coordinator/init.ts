import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import type {InitializedNetwork} from '../../coordinator/init-network.ts'

export default class CoordinatorInit extends CreoCommand {
  static override summary = 'Make a new network: its genesis and the keys of its coordinator and operator.'
  static override description = `Never overwrites a network. The network's id is the hash of genesis.json; give it to everyone who joins.
Keep operator.key safe: it admits gateways, and the coordinator runs without it.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> --data /var/lib/creo/coordinator --name "Our network"',
    '<%= config.bin %> <%= command.id %> --data ./dev --development --epoch 10s --emission 100'
  ]
  static override flags = {
    data: Flags.string({required: true, helpValue: 'DIR', description: 'Folder of the coordinator.'}),
    development: Flags.boolean({description: 'A network for trying out: short times, and the operator may allot Gutta.'}),
    name: Flags.string({helpValue: 'NAME', default: 'creo', description: 'What people call the network.'}),
    'exchange-org': Flags.string({
      helpValue: 'ORG',
      default: 'creometry',
      description: 'Name of the org that owns the exchange app; its work is paid in Gutta.'
    }),
    epoch: Flags.string({helpValue: 'DURATION', description: 'Length of an emission epoch. Default: 1h, in development 10s.'}),
    emission: Flags.string({helpValue: 'GUTTA', description: 'Gutta per epoch before the first halving. Default: 1000.'}),
    'emission-total': Flags.string({helpValue: 'GUTTA', description: 'The most Gutta that will ever be.'}),
    'maker-fee-ppm': Flags.integer({
      helpValue: 'N',
      min: 0,
      max: 100_000,
      description: 'Fee of resting orders, millionths of the notional. Default: 0.'
    }),
    'taker-fee-ppm': Flags.integer({
      helpValue: 'N',
      min: 0,
      max: 100_000,
      description: 'Fee of crossing orders, millionths of the notional. Default: 2000.'
    }),
    'redemption-timeout': Flags.string({
      helpValue: 'DURATION',
      description: 'A redemption nobody captures is released after this. Default: 7d, in development 5m.'
    }),
    'recovery-delay': Flags.string({
      helpValue: 'DURATION',
      description: 'Time in which an owner can say no to the recovery of an account. Default: 72h, in development 1m.'
    }),
    protection: Flags.boolean({
      allowNo: true,
      description: 'Open markets by auctions, and keep prices in bands. Default: not in development.'
    }),
    'if-missing': Flags.boolean({description: 'Succeed without a change when the folder has a network already.'})
  }

  async run(): Promise<InitializedNetwork> {
    const {flags} = await this.parse(CoordinatorInit)
    const [{initializeNetwork}, {parseDurationMs}, {GUTTA_DECIMALS, parseDecimal}] = await Promise.all([
      import('../../coordinator/init-network.ts'),
      import('../../cli/format.ts'),
      import('../../core/units.ts')
    ])
    const gutta = (text: string | undefined) => (text === undefined ? undefined : parseDecimal(text, GUTTA_DECIMALS))
    const duration = (text: string | undefined) => (text === undefined ? undefined : parseDurationMs(text))
    const made = await initializeNetwork(
      flags.data,
      {
        network: flags.development ? 'development' : 'production',
        name: flags.name,
        exchangeOrg: flags['exchange-org'],
        epochMs: duration(flags.epoch),
        perEpochMicroGutta: gutta(flags.emission),
        totalMicroGutta: gutta(flags['emission-total']),
        makerPpm: flags['maker-fee-ppm'],
        takerPpm: flags['taker-fee-ppm'],
        redemptionTimeoutMs: duration(flags['redemption-timeout']),
        recoveryDelayMs: duration(flags['recovery-delay']),
        hasProtection: flags.protection
      },
      {nowMs: Date.now(), ifMissing: flags['if-missing']}
    )
    this.log(
      made.created ? `Made the ${made.network} network "${made.name}".` : `The ${made.network} network "${made.name}" is there already.`
    )
    this.log(`  network id       ${made.networkId}`)
    this.log(`  coordinator key  ${made.coordinatorKey}`)
    this.log(`  operator key     ${made.operatorKey}  (${made.operatorKeyPath})`)
    this.log(`Next: ${this.config.bin} coordinator serve --data ${flags.data}`)
    return made
  }
}
