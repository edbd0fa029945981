import {resolve} from 'node:path'
import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import type {MadeBase} from '../developer/bases/bring-bases.ts'

export default class Bases extends CreoCommand {
  static override summary = 'Make the bases that functions are built upon, for amd64 and arm64.'
  static override description =
    `A build makes what it lacks by itself, but for creo/node for the other architecture. Their parts are packages of Debian and of npm, \
fetched once, each with its digest pinned: from the mirrors that apt names, Debian's own, or those of CREO_DEBIAN_MIRROR; and from the registry of npm's settings. A coordinator offers to all who deploy what lies in its folder bases.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> python',
    '<%= config.bin %> <%= command.id %> --output /var/lib/creo/coordinator/bases'
  ]
  static override args = {base: Args.string({options: ['node', 'python', 'static'], description: 'Which one; all when left out.'})}
  static override flags = {
    output: Flags.string({helpValue: 'FOLDER', description: "Where they are put; bases in the user's data folder when left out."})
  }

  async run(): Promise<{readonly bases: readonly MadeBase[]}> {
    const {args, flags} = await this.parse(Bases)
    const [{bringBases}, {dataDirectory}] = await Promise.all([import('../developer/bases/bring-bases.ts'), import('../config/paths.ts')])
    const folder = flags.output === undefined ? resolve(dataDirectory(process.env), 'bases') : resolve(flags.output)
    const bases = await bringBases({base: args.base, folder, steps: this.progress, signal: this.abort})
    for (const {base, digest, status} of bases) this.log(`creo/${base}  ${digest}  ${status === 'made' ? 'made' : 'was there already'}`)
    this.log(`They lie in ${folder}.`)
    return {bases}
  }
}
