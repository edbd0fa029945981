import {CreoCommand} from '../../cli/base-command.ts'

export default class ManifestSchema extends CreoCommand {
  static override summary = 'Print the JSON Schema of creo.yaml, for editors.'
  static override description = `An editor that knows it completes keys and marks what is wrong while you type. creo init writes it beside \
creo.yaml, whose first line names it; after an update of creo, write it again.`
  static override examples = ['<%= config.bin %> <%= command.id %> > creo.schema.json']

  async run(): Promise<{readonly schema: Readonly<Record<string, unknown>>}> {
    const {manifestJsonSchema} = await import('../../core/manifest-schema.ts')
    const schema = manifestJsonSchema()
    this.log(JSON.stringify(schema, null, 2))
    return {schema}
  }
}
