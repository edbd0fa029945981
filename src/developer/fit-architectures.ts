import type {CreoError} from '../core/errors.ts'
import type {RevisionSpec} from '../core/protocol/revisions.ts'
import {architectureSchema} from '../core/protocol/scalars.ts'
import type {FunctionImage} from './build.ts'
import type {FoundManifest} from './read-manifest.ts'

/**
 * By function, what a revision of it would be, kept from machines that its image is not made for. Of an image that is in the registry already, and not on this
 * machine, the manifest's word is taken.
 * @throws {CreoError} `image_missing` when the manifest wants a processor that the image is not made for.
 */
export function fitArchitectures(
  specs: ReadonlyMap<string, RevisionSpec>,
  images: readonly FunctionImage[],
  {problem}: Pick<FoundManifest, 'problem'>
): ReadonlyMap<string, RevisionSpec> {
  const fitted = new Map(specs)
  for (const image of images) {
    const spec = specs.get(image.function)
    if (spec === undefined || image.in === 'registry') continue
    const lacking = spec.architectures?.find((wanted) => !image.architectures.includes(wanted))
    if (lacking !== undefined) throw notMadeFor(image.function, lacking, image.architectures, problem)
    const made = architectureSchema.options.filter((architecture) => image.architectures.includes(architecture))
    const isForAll = made.length === architectureSchema.options.length
    if (spec.architectures === undefined && !isForAll) fitted.set(image.function, {...spec, architectures: made})
  }
  return fitted
}

function notMadeFor(name: string, lacking: string, made: readonly string[], problem: FoundManifest['problem']): CreoError {
  const what = `The image of ${name} is made for ${made.join(', ')}, not for ${lacking}.`
  return problem(['functions', name, 'architectures'], 'image_missing', what, `Build it for ${lacking} too, or take ${lacking} out.`)
}
