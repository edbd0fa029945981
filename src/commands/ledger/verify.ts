import {join} from 'node:path'
import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {CreoError} from '../../core/errors.ts'

interface Verified {
  readonly holds: true
  readonly groups: number
  readonly commands: number
  readonly accounts: number
  readonly headHash: string
  readonly signaturesChecked: number
  readonly digests: number
  readonly snapshot: 'none' | 'holds' | 'unusable'
}

export default class LedgerVerify extends CreoCommand {
  static override summary = 'Replay a journal and check every hash, signature and balance.'
  static override description =
    "Needs no network and trusts nobody: give it a coordinator's folder or a copy of one. Exit code 1 when it does not hold."
  static override examples = ['<%= config.bin %> <%= command.id %> --data /var/lib/creo/coordinator']
  static override flags = {
    data: Flags.string({helpValue: 'FOLDER', description: "The coordinator's folder; its default place when left out."}),
    signatures: Flags.boolean({default: true, allowNo: true, description: 'Check who signed each command too.'})
  }

  async run(): Promise<Verified> {
    const {flags} = await this.parse(LedgerVerify)
    const [{verifyLedger}, {dataDirectory}] = await Promise.all([import('../../ledger/verify.ts'), import('../../config/paths.ts')])
    const directory = flags.data ?? join(dataDirectory(process.env), 'coordinator')
    const report = await this.progress.step('Replaying the journal', () =>
      verifyLedger({directory, signatures: flags.signatures, signal: this.abort})
    )
    const {groups, commands, accounts, headHash, signaturesChecked, digests, snapshot} = report
    if (!report.holds) {
      const where = report.firstBad === undefined ? '' : ` Group ${report.firstBad.group}: ${report.firstBad.reason}`
      throw new CreoError('verification_failed', `The ledger in ${directory} does not hold.${where}`, {
        hint: 'Restore it from a backup that holds, and do not trust this one.'
      })
    }
    this.log(`It holds: ${commands} commands in ${groups} groups of ${accounts} accounts, ${signaturesChecked} signatures checked.`)
    if (digests > 0) this.log(`Digests of the whole state: ${digests}, all equal.`)
    if (snapshot === 'unusable') this.warn('The snapshot can not be used: the next start replays the whole journal, and a new one is made.')
    this.log(`Head ${headHash}`)
    return {holds: true, groups, commands, accounts, headHash, signaturesChecked, digests, snapshot}
  }
}
