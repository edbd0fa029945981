import {Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {networkFlags} from '../cli/flags.ts'
import type {Finding} from '../compose/finding.ts'
import type {MendReport} from '../compose/mend/mend-host.ts'

const MARKS = {ok: 'ok  ', warn: 'warn', fail: 'FAIL'} as const
const OUTCOMES = {
  planned: 'not done',
  by_hand: 'by hand',
  mended: 'mended',
  after_reboot: 'holds after a reboot',
  failed: 'FAILED'
} as const

interface Diagnosis {
  readonly healthy: boolean
  readonly findings: readonly Finding[]
  readonly mends: readonly MendReport[]
}

export default class Doctor extends CreoCommand {
  static override summary = 'Check that this machine has what creo needs, and mend it.'
  static override description =
    `Looks at Node, folders, disk, container runtimes and the coordinator. Exit code 1 when something fails. With --fix it shows exactly \
which files and commands would let this machine enforce limits, asks, does it as root and looks again; --undo takes it back.`
  static override examples = [
    '<%= config.bin %> doctor',
    '<%= config.bin %> doctor --json',
    '$ sudo <%= config.bin %> doctor --fix --for volunteer'
  ]
  static override flags = {
    ...networkFlags,
    fix: Flags.boolean({description: 'Mend what keeps containers from running within their limits.'}),
    for: Flags.string({helpValue: 'USER', description: 'Whose containers it is about. Default: of who runs this.'}),
    undo: Flags.boolean({
      exclusive: ['fix', 'for'],
      description: 'Take back what --fix did: files, lingering and settings; packages stay.'
    }),
    yes: Flags.boolean({char: 'y', description: 'Do not ask.'})
  }

  async run(): Promise<Diagnosis> {
    const {flags} = await this.parse(Doctor)
    const {diagnose} = await import('../compose/doctor.ts')
    const network = flags.network === undefined ? {} : {network: flags.network}
    const findings = await diagnose({config: this.config, env: process.env, nowMs: Date.now(), ...network}, this.abort)
    for (const {check, verdict, message, hint} of findings) {
      this.log(`${MARKS[verdict]}  ${check}: ${message}`)
      if (hint !== undefined) this.log(`      ${hint}`)
    }
    const mends = flags.undo ? await this.#undo(flags) : await this.#mend(flags)
    const healthy = findings.every(({verdict}) => verdict !== 'fail')
    if (!healthy || mends.some(({status}) => status === 'failed')) process.exitCode = 1
    return {healthy, findings, mends}
  }

  async #mend(flags: {readonly fix: boolean; readonly yes: boolean; readonly for?: string | undefined}): Promise<readonly MendReport[]> {
    const [{assertMayMend, mendHost, planForUser, thisMachine}, {describeMend}] = await Promise.all([
      import('../compose/mend/mend-host.ts'),
      import('../compose/mend/describe-mend.ts')
    ])
    const {user, mends} = await planForUser(flags.for)
    if (!flags.fix) {
      for (const {why} of mends) this.log(`mend  ${why}`)
      if (mends.length > 0) this.log('      What would be changed is shown before it is done: creo doctor --fix')
      return mends
    }
    this.log(
      mends.length === 0
        ? `\nNothing to mend for ${user.name}.`
        : `\nFor containers of ${user.name}:\n\n${mends.map(describeMend).join('\n\n')}\n`
    )
    if (mends.every(({status}) => status === 'by_hand')) return mends
    assertMayMend(user)
    if (!(await this.#agreed(flags))) return mends
    const done = await mendHost(
      thisMachine(this.abort, (sentence) => this.logToStderr(sentence)),
      user,
      mends
    )
    for (const {id, status, error} of done) this.log(`${OUTCOMES[status]}: ${id}${error === undefined ? '' : `. ${error}`}`)
    if (done.some(({status}) => status === 'after_reboot')) this.log('Restart this machine, then run creo doctor again.')
    this.log('Undo it: creo doctor --undo')
    return done
  }

  /** Answers what is wrong afterwards. */
  async #undo(flags: {readonly yes: boolean}): Promise<readonly MendReport[]> {
    const [{assertMayMend, planForUser, thisMachine}, {readDoneMends, undoNewest}, {describeUndo}] = await Promise.all([
      import('../compose/mend/mend-host.ts'),
      import('../compose/mend/apply-mends.ts'),
      import('../compose/mend/describe-mend.ts')
    ])
    const patient = thisMachine(this.abort, (sentence) => this.logToStderr(sentence))
    const done = (await readDoneMends(patient)).toReversed()
    this.log(done.length === 0 ? '\nNothing was mended by creo.' : `\nTaken back would be:\n\n${done.map(describeUndo).join('\n\n')}\n`)
    const {user, mends} = await planForUser(undefined)
    if (done.length === 0) return mends
    assertMayMend(user)
    if (!(await this.#agreed(flags))) return mends
    for (const _each of done) this.log(`taken back: ${(await undoNewest(patient))?.id}`)
    return (await planForUser(undefined)).mends
  }

  async #agreed(flags: {readonly yes: boolean}): Promise<boolean> {
    const {askYesNo} = await import('../cli/prompt.ts')
    return flags.yes || (await askYesNo('Do this?', this.abort))
  }
}
