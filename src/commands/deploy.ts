import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {deployedText, tellingTrouble} from '../cli/deploy-text.ts'
import {accountFlags, networkFlags} from '../cli/flags.ts'
import {parseDurationMs} from '../cli/format.ts'
import type {Deployed} from '../developer/deploy.ts'

export default class Deploy extends CreoCommand {
  static override summary = "Build an app's functions, push what is missing, and switch to them at once."
  static override description = `Until the last step nothing that runs changes. Then it waits until every function has answered through a \
gateway. Deploying the same files again pushes nothing.`
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> examples/colibris --as colibris',
    '<%= config.bin %> <%= command.id %> --no-traffic --tag next',
    '<%= config.bin %> <%= command.id %> --image web=registry.example/shop/web:1.2'
  ]
  static override args = {folder: Args.string({default: '.', description: 'Folder with creo.yaml.'})}
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    wait: Flags.string({default: '60s', helpValue: 'DURATION', description: 'How long to wait for the first answers; 0s does not wait.'}),
    tag: Flags.string({helpValue: 'NAME', description: 'Give each new revision an address of its own, NAME--FUNCTION--APP--ORG.'}),
    image: Flags.string({
      multiple: true,
      helpValue: '[FUNCTION=]IMAGE',
      description: 'Deploy this image instead of what the manifest names: host/repository:tag, an OCI layout, an archive.'
    }),
    'no-traffic': Flags.boolean({
      default: false,
      description: 'Leave the requests where they go now; creo traffic sends them. Routes change at once.'
    })
  }

  async run(): Promise<Deployed> {
    const {args, flags} = await this.parse(Deploy)
    const [{deploy}, {openAccount}, {readManifest}, {withGivenImages}, {dataDirectory}] = await Promise.all([
      import('../developer/deploy.ts'),
      import('../developer/context.ts'),
      import('../developer/read-manifest.ts'),
      import('../developer/given-images.ts'),
      import('../config/paths.ts')
    ])
    const waitMs = parseDurationMs(flags.wait)
    const found = withGivenImages(await readManifest(args.folder), flags.image ?? [])
    const context = await openAccount({...flags, as: flags.as ?? found.manifest.org}, this.abort)
    const data = dataDirectory(process.env)
    const traffic = {tag: flags.tag, noTraffic: flags['no-traffic']}
    const work = deploy({context, found, dataDirectory: data, waitMs, ...traffic, steps: this.progress, signal: this.abort})
    const deployed = await tellingTrouble(work, this.progress)
    this.log(deployedText(deployed, {hasTraffic: !flags['no-traffic']}))
    return deployed
  }
}
