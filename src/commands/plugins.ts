import {Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import type {ListedPlugin} from '../cli/installed-plugins.ts'

export default class Plugins extends CreoCommand {
  static override summary = 'List the plugins that are installed.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --core']
  static override flags = {core: Flags.boolean({description: 'Those that creo brings, too.'})}

  async run(): Promise<{readonly plugins: readonly ListedPlugin[]}> {
    const {flags} = await this.parse(Plugins)
    const [{listInstalled}, {plainLine}] = await Promise.all([import('../cli/installed-plugins.ts'), import('../cli/plain-line.ts')])
    const installed = listInstalled(this.config.dataDir)
    const plugins = flags.core ? [...installed, ...this.#own()] : installed
    const from = {registry: '', copy: ' (a copy)', creo: ' (of creo)', link: ' (linked)'}
    for (const {name, version, source, folder} of plugins)
      this.log(plainLine(`${name} ${version ?? '(not there)'}${from[source]}${source === 'link' ? ` ${folder}` : ''}`))
    if (installed.length === 0) this.log('No plugins installed. creo plugins guide shows how to write one.')
    return {plugins}
  }

  #own(): readonly ListedPlugin[] {
    const own = this.config.getPluginsList().filter(({type, isRoot}) => type === 'core' && !isRoot)
    return own.map(({name, version, root}) => ({name, version, source: 'creo', folder: root}))
  }
}
