import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {serviceFlags, serviceScope} from '../../cli/service-flags.ts'

interface Installed {
  readonly status: 'installed' | 'replaced' | 'already_installed' | 'printed'
  readonly path: string
  readonly unit: string
  readonly enable: readonly string[]
}

export default class MineInstall extends CreoCommand {
  static override summary = 'Make this node a service that systemd starts at boot.'
  static override description =
    `Writes one unit and says how to enable it; nothing is started. The node must have been started once by hand, so that it is \
enrolled and its settings are remembered. The unit of the machine's manager is hardened; a user's manager can't do that and run containers.`
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --system --data /var/lib/creo/miner',
    '<%= config.bin %> <%= command.id %> --user --print'
  ]
  static override flags = {
    ...serviceFlags,
    data: Flags.string({helpValue: 'DIR', description: 'Folder of the node. Default: miner in the data folder of creo.'}),
    print: Flags.boolean({description: 'Print the unit and write nothing.'})
  }

  async run(): Promise<Installed> {
    const {flags} = await this.parse(MineInstall)
    const [{installUnit, serviceCommands, servicePlace, userLingers}, {serviceUnit, UNIT_NAME}, {nodeFolder}, {assertEnrolled}] =
      await Promise.all([
        import('../../miner/service-files.ts'),
        import('../../miner/service-unit.ts'),
        import('../../cli/read-lending.ts'),
        import('../../miner/settings.ts')
      ])
    const dataDirectory = nodeFolder(flags.data)
    await assertEnrolled(dataDirectory)
    const place = servicePlace(serviceScope(flags), process.env)
    const packaged = process.env.CREO_PACKAGED
    const program = packaged === undefined ? [process.execPath, process.argv[1] ?? ''] : [packaged]
    const unit = serviceUnit(place.scope, {program, dataDirectory})
    const {enable} = serviceCommands(place.scope, {lingers: await userLingers()})
    const status = flags.print ? 'printed' : await installUnit(place, unit)
    const path = `${place.directory}/${UNIT_NAME}`
    if (flags.print) this.log(unit.trimEnd())
    else
      this.log(
        `${status === 'already_installed' ? 'It is there already' : 'Written'}: ${path}\nStart it now and at every boot:\n  ${enable.join('\n  ')}\nUndo it: creo mine uninstall`
      )
    return {status, path, unit, enable}
  }
}
