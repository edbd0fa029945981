import {Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {appArg, networkFlags} from '../cli/flags.ts'
import {openInBrowser} from '../cli/open-in-browser.ts'

export default class Open extends CreoCommand {
  static override summary = 'Print the address of an app, and open it in the browser of this machine.'
  static override description = 'The browser is opened from a terminal alone, and where xdg-open or open is installed.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/shop',
    '<%= config.bin %> <%= command.id %> colibris/shop --no-browser'
  ]
  static override args = appArg
  static override flags = {
    ...networkFlags,
    browser: Flags.boolean({default: true, allowNo: true, description: 'Open the browser.'})
  }

  async run(): Promise<{readonly app: string; readonly address: string; readonly opened: boolean}> {
    const {args, flags} = await this.parse(Open)
    const [{openContext}, {addressOfApp}, {appNameOf}] = await Promise.all([
      import('../developer/context.ts'),
      import('../developer/apps.ts'),
      import('../developer/app-name.ts')
    ])
    const name = await appNameOf(args.app, '.')
    const address = await addressOfApp(await openContext(flags, this.abort), name, this.abort)
    this.log(address)
    const opened = flags.browser && process.stdout.isTTY && !this.jsonEnabled() && (await openInBrowser(address))
    return {app: `${name.org}/${name.app}`, address, opened}
  }
}
