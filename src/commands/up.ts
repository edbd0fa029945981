import {fileURLToPath} from 'node:url'
import {Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {createProgress} from '../cli/progress.ts'
import {programFile} from '../config/paths.ts'

export default class Up extends CreoCommand {
  static override summary = 'Bring up a whole development network on this machine.'
  static override description =
    `Starts a coordinator, a gateway and miners as separate processes, and stays up with a live view until Ctrl-C, which stops \
every container and process it started. With --tour it first runs the whole loop, from a deployed app to a paid, traded and \
redeemed request, and checks each step.`
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --tour',
    '<%= config.bin %> <%= command.id %> --tour --once --json'
  ]
  static override flags = {
    data: Flags.directory({
      helpValue: 'DIR',
      description: 'Folder of the network. Default: kept under the data directory; for --tour a new one that is removed at the end.'
    }),
    tour: Flags.boolean({description: 'Run the whole loop step by step and check it.'}),
    once: Flags.boolean({description: 'Stop after the tour instead of staying up.', dependsOn: ['tour']}),
    keep: Flags.boolean({
      description: 'With --tour: keep its folder and logs at the end; they are removed otherwise.',
      dependsOn: ['tour']
    }),
    'coordinator-port': Flags.integer({
      helpValue: 'PORT',
      min: 0,
      max: 65_535,
      default: 7700,
      description: 'Port of the coordinator; 0 lets the system choose.'
    }),
    'tunnel-port': Flags.integer({helpValue: 'PORT', min: 0, max: 65_535, default: 7800, description: 'Port that miners dial.'}),
    'gateway-port': Flags.integer({helpValue: 'PORT', min: 0, max: 65_535, default: 7801, description: 'Port that the public asks.'})
  }

  async run(): Promise<unknown> {
    const {flags} = await this.parse(Up)
    const [{bringUp}, {createLiveView}] = await Promise.all([import('../compose/bring-up.ts'), import('../cli/live-view.ts')])
    return await bringUp({
      root: fileURLToPath(programFile()),
      dataDirectory: flags.data,
      tour: flags.tour,
      once: flags.once,
      keep: flags.keep,
      ports: {coordinator: flags['coordinator-port'], tunnel: flags['tunnel-port'], gateway: flags['gateway-port']},
      progress: createProgress({stream: process.stderr, silent: false}),
      draw: this.jsonEnabled() ? undefined : createLiveView(process.stdout),
      onFailure: (facts) => {
        this.besideError = {...facts}
      },
      signal: this.abort
    })
  }
}
