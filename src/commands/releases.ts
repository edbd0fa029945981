import {Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {appArg, networkFlags} from '../cli/flags.ts'
import {renderTable} from '../cli/table.ts'

const RELEASES_SHOWN_MAX = 1000

interface Release {
  readonly function: string
  readonly revision: string
  readonly deployedAt: string
  readonly percent: number
  readonly tags: readonly string[]
  /** Instances that run, as their nodes said a moment ago. */
  readonly warm: number
  readonly imageDigest: string
}

export default class Releases extends CreoCommand {
  static override summary =
    "List an app's revisions: when they were deployed, what they get of the traffic, their tags, and what of them is warm."
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/shop',
    '<%= config.bin %> <%= command.id %> colibris/shop --limit 5'
  ]
  static override args = appArg
  static override flags = {
    ...networkFlags,
    limit: Flags.integer({helpValue: 'N', default: 50, min: 1, max: RELEASES_SHOWN_MAX, description: 'The newest so many.'})
  }

  async run(): Promise<{readonly app: string; readonly releases: readonly Release[]}> {
    const {args, flags} = await this.parse(Releases)
    const [{openContext}, {appNameOf}] = await Promise.all([import('../developer/context.ts'), import('../developer/app-name.ts')])
    const name = await appNameOf(args.app, '.')
    const {client} = await openContext(flags, this.abort)
    const {revisions} = await client.releases(name.org, name.app, {limit: flags.limit}, this.abort)
    const releases = revisions.map((revision) => ({
      function: revision.function,
      revision: revision.id,
      deployedAt: new Date(revision.deployedAtMs).toISOString(),
      percent: revision.percent,
      tags: revision.tags,
      warm: revision.instances,
      imageDigest: revision.imageDigest
    }))
    this.log(
      renderTable(releases, [
        {header: 'FUNCTION', value: (row) => row.function},
        {header: 'REVISION', value: (row) => row.revision},
        {header: 'DEPLOYED', value: (row) => row.deployedAt},
        {header: 'TRAFFIC', value: (row) => `${row.percent} %`, align: 'right'},
        {header: 'TAGS', value: (row) => row.tags.join(' ')},
        {header: 'WARM', value: (row) => String(row.warm), align: 'right'}
      ])
    )
    return {app: `${name.org}/${name.app}`, releases}
  }
}
