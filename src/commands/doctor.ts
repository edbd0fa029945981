import {CreoCommand} from '../cli/base-command.ts'
import {networkFlags} from '../cli/flags.ts'
import type {Finding} from '../compose/finding.ts'

const MARKS = {ok: 'ok  ', warn: 'warn', fail: 'FAIL'} as const

export default class Doctor extends CreoCommand {
  static override summary = 'Check that this machine has what creo needs.'
  static override description = 'Looks at Node, folders, disk, container runtimes and the coordinator. Exit code 1 when something fails.'
  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor --json']
  static override flags = {...networkFlags}

  async run(): Promise<{readonly healthy: boolean; readonly findings: readonly Finding[]}> {
    const {flags} = await this.parse(Doctor)
    const {diagnose} = await import('../compose/doctor.ts')
    const network = flags.network === undefined ? {} : {network: flags.network}
    const findings = await diagnose({config: this.config, env: process.env, nowMs: Date.now(), ...network}, this.abort)
    for (const {check, verdict, message, hint} of findings) {
      this.log(`${MARKS[verdict]}  ${check}: ${message}`)
      if (hint !== undefined) this.log(`      ${hint}`)
    }
    const healthy = findings.every(({verdict}) => verdict !== 'fail')
    if (!healthy) process.exitCode = 1
    return {healthy, findings}
  }
}
