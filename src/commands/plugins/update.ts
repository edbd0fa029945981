import {CreoCommand} from '../../cli/base-command.ts'
import type {ListedPlugin} from '../../cli/installed-plugins.ts'

interface UpdatedPlugin {
  readonly name: string
  readonly source: ListedPlugin['source']
  readonly from: string | null
  readonly to: string | null
  readonly status: 'updated' | 'unchanged'
}

/** Does what the framework's command of this name does, once the registry has answered: npm takes an old answer for today's where it can't be reached. */
export default class PluginsUpdate extends CreoCommand {
  static override summary = 'Bring the plugins up to date that came from the registry.'
  static override description =
    'A copy of a folder or an archive changes when that is installed anew, and what is linked is as its folder is.'
  static override examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<{readonly plugins: readonly UpdatedPlugin[]}> {
    const [{installedPlugins, listInstalled}, {assertPublishedPlugin, pluginError}, {changePlugins}, {plainLine}] = await Promise.all([
      import('../../cli/installed-plugins.ts'),
      import('../../cli/plugin-check.ts'),
      import('../../cli/plugin-changes.ts'),
      import('../../cli/plain-line.ts')
    ])
    const before = listInstalled(this.config.dataDir)
    const published = installedPlugins(this.config.dataDir).filter(({root, url}) => root === undefined && url === undefined)
    for (const {name, tag} of published)
      await assertPublishedPlugin(tag === undefined ? name : `${name}@${tag}`, {asksAnew: true, signal: this.abort})
    if (before.some(({source}) => source !== 'link')) {
      const framework = this.config.plugins.get('@oclif/plugin-plugins')
      const command = await framework?.findCommand('plugins:update', {must: true})
      const update = async (): Promise<void> => void (await command?.run([], this.config))
      await changePlugins(this.config.dataDir, update).catch((error: unknown) => {
        throw pluginError(error, ['plugins', 'update']) ?? error
      })
    }
    const after = new Map(listInstalled(this.config.dataDir).map(({name, version}) => [name, version]))
    const plugins = before.map(({name, source, version: from}): UpdatedPlugin => {
      const to = after.get(name) ?? null
      return {name, source, from, to, status: from === to ? 'unchanged' : 'updated'}
    })
    for (const plugin of plugins) this.log(plainLine(inWords(plugin)))
    if (plugins.length === 0) this.log('No plugins installed.')
    return {plugins}
  }
}

function inWords({name, source, from, to, status}: UpdatedPlugin): string {
  if (status === 'updated') return `${name}: ${from ?? 'not there'} is now ${to ?? 'not there'}.`
  if (source === 'registry') return `${name}: ${to ?? 'not there'} is what the registry has.`
  if (source === 'link') return `${name}: ${to ?? 'not there'}, linked to its folder.`
  return `${name}: ${to ?? 'not there'}, a copy: install its folder or archive anew.`
}
