import {CreoCommand} from '../../cli/base-command.ts'
import {lendingFlags} from '../../cli/lending-flags.ts'
import type {ShownTerms} from '../../miner/shown-terms.ts'

export default class MineSet extends CreoCommand {
  static override summary = 'Change what this machine lends, also while it works.'
  static override description =
    `A node that runs takes the change within a second: when it lends less, the youngest instances end; outside its hours it \
finishes what is under way and rests. What is not given stays as it is.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> --cpu 1 --memory 1GiB',
    '<%= config.bin %> <%= command.id %> --hours 22:00-06:00 --data 20GB/month',
    '<%= config.bin %> <%= command.id %> --hours always --data none --no-only-idle'
  ]
  static override flags = {...lendingFlags}

  async run(): Promise<ShownTerms & {readonly running: boolean}> {
    const {flags} = await this.parse(MineSet)
    const [{changeTerms}, {readLending}, {termsText}, {shownTerms}] = await Promise.all([
      import('../../compose/miner-control.ts'),
      import('../../cli/read-lending.ts'),
      import('../../cli/terms-text.ts'),
      import('../../miner/shown-terms.ts')
    ])
    const {directory, given} = readLending(flags)
    await this.#check(directory, given.earn)
    const changed = await changeTerms(directory, given)
    const terms = shownTerms(changed.terms)
    this.log(`${termsText(terms)}\n${changed.running ? 'The node takes it within a second.' : 'It holds from the next start on.'}`)
    return {...terms, running: changed.running}
  }

  async #check(directory: string, earn: readonly string[] | undefined): Promise<void> {
    if (earn === undefined) return
    const {checkEarn} = await import('../../compose/check-earn.ts')
    const away = await checkEarn(directory, earn, this.abort)
    if (away !== undefined) this.logToStderr(`Whether the network has ${earn.join(', ')} was not looked up: ${away.message}`)
  }
}
