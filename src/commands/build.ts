import {join} from 'node:path'
import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import {formatBytes} from '../core/units.ts'
import type {FunctionImage} from '../developer/build.ts'

interface BuiltFunction {
  readonly function: string
  readonly imageDigest: string
  /** The OCI layout; null for an image that is in the registry already. */
  readonly layout: string | null
  /** The most that a machine which has nothing of it fetches. */
  readonly sizeBytes: number | null
  readonly architectures: readonly string[]
  readonly layers: readonly {readonly part: string; readonly digest: string; readonly sizeBytes: number; readonly cached: boolean}[]
}

export default class Build extends CreoCommand {
  static override summary = "Build the images of an app's functions, without a daemon or the internet."
  static override description =
    `The same files give the same digests, and a layer that has not changed is not packed again. Each image is an \
OCI layout that other tools can read, for amd64 and arm64 where the base is there for both and the program compiled for both.`
  static override examples = ['<%= config.bin %> <%= command.id %> examples/colibris --output /tmp/images']
  static override args = {folder: Args.string({default: '.', description: 'Folder with creo.yaml.'})}
  static override flags = {
    output: Flags.string({helpValue: 'FOLDER', description: 'Where the layouts are written; .creo/images beside creo.yaml when left out.'})
  }

  async run(): Promise<{readonly org: string; readonly app: string; readonly images: readonly BuiltFunction[]}> {
    const {args, flags} = await this.parse(Build)
    const [{readManifest}, {buildFunctions}, {dataDirectory}, {makeBase}, {lackingBaseLines}] = await Promise.all([
      import('../developer/read-manifest.ts'),
      import('../developer/build.ts'),
      import('../config/paths.ts'),
      import('../developer/bases/make-base.ts'),
      import('../cli/deploy-text.ts')
    ])
    const found = await readManifest(args.folder)
    const outputDirectory = flags.output ?? join(found.folder, '.creo', 'images')
    const data = dataDirectory(process.env)
    const tools = {steps: this.progress, assemble: makeBase, signal: this.abort}
    const built = await buildFunctions({found, outputDirectory, dataDirectory: data, ...tools})
    const images = built.map(resultOf)
    for (const image of images) {
      this.log(`${image.function}  ${image.imageDigest}  ${image.layout ?? 'in the registry'}`)
      if (image.architectures.length > 0) this.log(`  for ${image.architectures.join(' and ')}, ${formatBytes(image.sizeBytes ?? 0)}`)
      for (const layer of image.layers)
        this.log(`  ${layer.part === '.' ? 'files' : layer.part}  ${formatBytes(layer.sizeBytes)}  ${layer.cached ? 'cached' : 'packed'}`)
    }
    for (const image of built) if (image.in === 'layout') for (const line of lackingBaseLines(image)) this.log(line)
    return {org: found.manifest.org, app: found.manifest.app, images}
  }
}

function resultOf(image: FunctionImage): BuiltFunction {
  const named = {function: image.function, imageDigest: image.digest}
  if (image.in === 'registry') return {...named, layout: null, sizeBytes: null, architectures: [], layers: []}
  const {layoutDirectory: layout, sizeBytes = null, architectures} = image
  const layers = image.layers.map(({part, digest, size, cached}) => ({part, digest, sizeBytes: size, cached}))
  return {...named, layout, sizeBytes, architectures, layers}
}
