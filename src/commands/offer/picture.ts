import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import type {SavedPicture} from '../../developer/pictures.ts'

export default class OfferPicture extends CreoCommand {
  static override summary = "Write an offer's picture into a file."
  static override examples = ['<%= config.bin %> <%= command.id %> off_12 --output coffee.png']
  static override args = {offer: Args.string({required: true, description: 'The offer, as offer list shows it.'})}
  static override flags = {
    ...networkFlags,
    output: Flags.string({required: true, char: 'o', helpValue: 'FILE', description: 'Where to; a file that is not there yet.'})
  }

  async run(): Promise<SavedPicture> {
    const {args, flags} = await this.parse(OfferPicture)
    const [{openContext}, {savePicture}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/pictures.ts')])
    const saved = await savePicture(await openContext(flags, this.abort), args.offer, flags.output, this.abort)
    this.log(`${saved.file}: ${saved.type}, ${saved.width} × ${saved.height} pixels, ${saved.bytes} bytes.`)
    return saved
  }
}
