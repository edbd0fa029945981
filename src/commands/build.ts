import {join} from 'node:path'
import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'

interface BuiltFunction {
  readonly function: string
  readonly imageDigest: string
  /** The OCI layout; null for an image that is in the registry already. */
  readonly layout: string | null
  readonly sizeBytes: number | null
}

export default class Build extends CreoCommand {
  static override summary = "Build the images of an app's functions, without a daemon or the internet."
  static override description = 'The same files give the same digests. Each image is an OCI layout that other tools can read.'
  static override examples = ['<%= config.bin %> <%= command.id %> examples/colibris --output /tmp/images']
  static override args = {folder: Args.string({default: '.', description: 'Folder with creo.yaml.'})}
  static override flags = {
    output: Flags.string({helpValue: 'FOLDER', description: 'Where the layouts are written; .creo/images beside creo.yaml when left out.'})
  }

  async run(): Promise<{readonly org: string; readonly app: string; readonly images: readonly BuiltFunction[]}> {
    const {args, flags} = await this.parse(Build)
    const [{readManifest}, {buildFunctions}, {dataDirectory}] = await Promise.all([
      import('../developer/read-manifest.ts'),
      import('../developer/build.ts'),
      import('../config/paths.ts')
    ])
    const found = await readManifest(args.folder)
    const outputDirectory = flags.output ?? join(found.folder, '.creo', 'images')
    const cacheDirectory = join(dataDirectory(process.env), 'bases')
    const built = await buildFunctions({found, outputDirectory, cacheDirectory, steps: this.progress, signal: this.abort})
    const images = built.map((image) => ({
      function: image.function,
      imageDigest: image.digest,
      layout: image.in === 'layout' ? image.layoutDirectory : null,
      sizeBytes: image.in === 'layout' ? (image.sizeBytes ?? null) : null
    }))
    for (const image of images) this.log(`${image.function}  ${image.imageDigest}  ${image.layout ?? 'in the registry'}`)
    return {org: found.manifest.org, app: found.manifest.app, images}
  }
}
