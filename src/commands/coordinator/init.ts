import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {chosenTerms, genesisFlags} from '../../cli/genesis-flags.ts'
import type {WrittenTerms} from '../../coordinator/genesis-terms.ts'
import type {InitializedNetwork} from '../../coordinator/init-network.ts'
import type {ShownTerms} from '../../developer/network-terms.ts'

/** With --dry-run: what the genesis would say, but for its keys and time, as --genesis reads it. */
export interface PlannedNetwork {
  readonly created: false
  readonly terms: ShownTerms
  readonly genesis: WrittenTerms
}

export default class CoordinatorInit extends CreoCommand {
  static override summary = 'Make a new network: its genesis and the keys of its coordinator and operator.'
  static override description = `Never overwrites a network. The network's id is the hash of genesis.json; give it to everyone who joins.
Nobody can change its terms later: --dry-run shows them, and so does a terminal, before it asks.
Keep operator.key safe: it admits gateways, and the coordinator runs without it.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> --data /var/lib/creo/coordinator --name "Our network"',
    '<%= config.bin %> <%= command.id %> --data ./dev --development --epoch 10s --emission 100',
    '<%= config.bin %> <%= command.id %> --data ./net --dry-run --json',
    '<%= config.bin %> <%= command.id %> --data ./net --genesis terms.yaml'
  ]
  static override flags = {
    data: Flags.string({required: true, helpValue: 'DIR', description: 'Folder of the coordinator.'}),
    genesis: Flags.file({
      exists: true,
      helpValue: 'FILE',
      description: 'Terms as genesis.json has them, all or some, in YAML or JSON. Other flags go first.'
    }),
    'dry-run': Flags.boolean({description: 'Only show the terms.'}),
    yes: Flags.boolean({char: 'y', description: 'Do not ask.'}),
    ...genesisFlags,
    'if-missing': Flags.boolean({description: 'Succeed without a change when the folder has a network already.'})
  }

  async run(): Promise<(InitializedNetwork & {readonly terms: ShownTerms}) | PlannedNetwork> {
    const {flags} = await this.parse(CoordinatorInit)
    const [{hasNetwork, initializeNetwork}, {readChoices, termsOf, withChoices, writtenTerms}, {shownTerms}, {genesisText}] =
      await Promise.all([
        import('../../coordinator/init-network.ts'),
        import('../../coordinator/genesis-terms.ts'),
        import('../../developer/network-terms.ts'),
        import('../../cli/genesis-text.ts')
      ])
    const choices = withChoices(flags.genesis === undefined ? {} : await readChoices(flags.genesis), await chosenTerms(flags))
    const genesis = termsOf(choices)
    const terms = shownTerms(genesis)
    const isAsked = !flags['dry-run'] && this.#asks(flags) && terms.network === 'production' && !(await hasNetwork(flags.data))
    if (flags['dry-run'] || isAsked) {
      this.log(`Terms of the ${terms.network} network "${terms.name}", which nobody can change once it is there:`)
      for (const line of genesisText(terms)) this.log(`  ${line}`)
      const {askYesNo} = await import('../../cli/prompt.ts')
      const isWanted = isAsked && (await askYesNo('Make this network?', this.abort))
      if (!isWanted) {
        this.log(isAsked ? 'Nothing was made.' : 'To make it: the same without --dry-run.')
        return {created: false, terms, genesis: writtenTerms(genesis)}
      }
    }
    const made = await initializeNetwork(flags.data, choices, {nowMs: Date.now(), ifMissing: flags['if-missing']})
    this.log(
      made.created ? `Made the ${made.network} network "${made.name}".` : `The ${made.network} network "${made.name}" is there already.`
    )
    this.log(`  network id       ${made.networkId}`)
    this.log(`  coordinator key  ${made.coordinatorKey}`)
    this.log(`  operator key     ${made.operatorKey}  (${made.operatorKeyPath})`)
    this.log(`Next: ${this.config.bin} coordinator serve --data ${flags.data}`)
    return {...made, terms}
  }

  #asks({yes}: {readonly yes: boolean}): boolean {
    return !yes && !this.jsonEnabled() && process.stdin.isTTY
  }
}
