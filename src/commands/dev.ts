import {fileURLToPath} from 'node:url'
import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {programFile} from '../config/paths.ts'

export default class Dev extends CreoCommand {
  static override summary = 'Run an app on this machine, and take up every change of its files.'
  static override description =
    `The app of creo.yaml answers at http://localhost:PORT/ through a gateway and a miner like those of a network, in a development \
network of its own: no account, incentive or pool is needed, and nothing is left after Ctrl-C. Logs and requests are shown as they happen. \
What is wrong with the manifest, a build or a new version that crashes is said with its lines, and the version that served goes on.`
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> examples/colibris --port 3000',
    '<%= config.bin %> <%= command.id %> --secrets .env'
  ]
  static override args = {folder: Args.string({default: '.', description: 'Folder with creo.yaml.'})}
  static override flags = {
    port: Flags.integer({
      helpValue: 'PORT',
      min: 0,
      max: 65_535,
      default: 8080,
      description: 'Where the app answers on this machine; 0 lets the system choose.'
    }),
    secrets: Flags.string({
      helpValue: 'FILE',
      description: 'Lines of NAME=value for the secrets that functions name; those it lacks are asked for on a terminal.'
    })
  }

  async run(): Promise<{readonly stopped: true}> {
    const {args, flags} = await this.parse(Dev)
    const [{runDevApp}, {devJson, devText}, {askHidden}] = await Promise.all([
      import('../compose/dev/dev-app.ts'),
      import('../cli/dev-text.ts'),
      import('../cli/prompt.ts')
    ])
    const canAsk = process.stdin.isTTY && !this.jsonEnabled()
    const askSecret = (name: string): Promise<string> => askHidden(`Value of ${name}:`, {flag: '--secrets', signal: this.abort})
    await runDevApp({
      root: fileURLToPath(programFile()),
      folder: args.folder,
      port: flags.port,
      secretsFile: flags.secrets,
      askSecret: canAsk ? askSecret : undefined,
      progress: this.progress,
      onEvent: (seen) => {
        this.log(devText(seen))
        this.logJsonLine(devJson(seen))
      },
      signal: this.abort
    })
    return {stopped: true}
  }
}
