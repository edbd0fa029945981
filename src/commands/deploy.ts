import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {deployedText, tellingTrouble} from '../cli/deploy-text.ts'
import type {FirstDeployOptions, firstDeploy} from '../cli/first-deploy.ts'
import {accountFlags, networkFlags, waitFlags} from '../cli/flags.ts'
import {waitOf} from '../cli/format.ts'
import type {AccountContext} from '../developer/context.ts'
import type {Deployed} from '../developer/deploy.ts'
import type {FirstDone} from '../developer/first-deploy.ts'
import type {FoundManifest} from '../developer/read-manifest.ts'

export default class Deploy extends CreoCommand {
  static override summary = "Build an app's functions, push what is missing, and switch to them at once."
  static override description = `Until the last step nothing that runs changes. Then it waits until every function has answered through a \
gateway. Deploying the same files again pushes nothing.
A first deploy that pays nobody, or in an incentive that is not issued yet, asks on a terminal what one unit buys and how many a month you can give, and shows what follows before anything is signed.`
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> examples/colibris --as colibris',
    '<%= config.bin %> <%= command.id %> --buys "A delivery in town" --per-month 500',
    '<%= config.bin %> <%= command.id %> --no-traffic --tag next',
    '<%= config.bin %> <%= command.id %> --image web=registry.example/shop/web:1.2'
  ]
  static override args = {folder: Args.string({default: '.', description: 'Folder with creo.yaml.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    ...waitFlags,
    tag: Flags.string({helpValue: 'NAME', description: 'Give each new revision an address of its own, NAME--FUNCTION--APP--ORG.'}),
    image: Flags.string({
      multiple: true,
      helpValue: '[FUNCTION=]IMAGE',
      description: 'Deploy this image instead of what the manifest names: host/repository:tag, an OCI layout, an archive.'
    }),
    buys: Flags.string({helpValue: 'ITEM', description: 'First deploy: what one unit of the incentive buys.'}),
    'per-month': Flags.string({helpValue: 'NUMBER', description: 'First deploy: how many items a month you can give.'}),
    'pay-in': Flags.string({
      helpValue: 'CODE',
      description: "First deploy: code of the incentive, where the manifest names none; made of the account's name when left out."
    }),
    yes: Flags.boolean({default: false, description: 'First deploy: do what follows from the answers without asking once more.'}),
    'no-traffic': Flags.boolean({
      default: false,
      description: 'Leave the requests where they go now; creo traffic sends them. Routes change at once.'
    })
  }

  async run(): Promise<Deployed & {readonly first?: FirstDone}> {
    const {args, flags} = await this.parse(Deploy)
    const [{deploy}, {openOrg}, {readManifest}, {withGivenImages}, {makeBase}, {dataDirectory}] = await Promise.all([
      import('../developer/deploy.ts'),
      import('../developer/context.ts'),
      import('../developer/read-manifest.ts'),
      import('../developer/given-images.ts'),
      import('../developer/bases/make-base.ts'),
      import('../config/paths.ts')
    ])
    const wait = waitOf(flags.wait)
    const read = await readManifest(args.folder)
    const context = await openOrg(flags, read.manifest.org, this.abort)
    const {found: paying, done: first} = await this.#firstDeploy(context, read, flags)
    const found = withGivenImages(paying, flags.image ?? [])
    const data = dataDirectory(process.env)
    const options = {assemble: makeBase, tag: flags.tag, noTraffic: flags['no-traffic']}
    const work = deploy({context, found, dataDirectory: data, ...wait, ...options, steps: this.progress, signal: this.abort})
    const deployed = await tellingTrouble(work, this.progress)
    this.log(deployedText(deployed, {hasTraffic: !flags['no-traffic']}))
    return {...deployed, ...(first !== undefined && {first})}
  }

  /** What makes the app pay its hosts, where a first deploy lacks it. */
  async #firstDeploy(context: AccountContext, found: FoundManifest, flags: FirstDeployOptions['flags']): ReturnType<typeof firstDeploy> {
    const [{firstDeploy: run}, {askText}] = await Promise.all([import('../cli/first-deploy.ts'), import('../cli/prompt.ts')])
    const ask = (question: string): Promise<string> => askText(question, {flag: '--buys and --per-month', signal: this.abort})
    const canAsk = process.stdin.isTTY && !this.jsonEnabled()
    return await run({context, found, flags, ask: canAsk ? ask : undefined, say: (text) => this.logToStderr(text), signal: this.abort})
  }
}
