import {CreoCommand} from '../../cli/base-command.ts'

export default class PluginsGuide extends CreoCommand {
  static override summary = 'Show how to write a plugin: a command, and a container runtime.'
  static override description = 'The page comes with creo: docs/PLUGINS.md of its source, whose files are whole.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> | less']

  async run(): Promise<{readonly page: string}> {
    const [{readFile}, {programFile}] = await Promise.all([import('node:fs/promises'), import('../../config/paths.ts')])
    const page = await readFile(programFile('docs/PLUGINS.md'), 'utf8')
    this.log(page.trimEnd())
    return {page}
  }
}
