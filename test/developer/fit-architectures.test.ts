import {expect, it} from 'vitest'
import type {RevisionSpec} from '../../src/core/protocol/revisions.ts'
import type {FunctionImage} from '../../src/developer/build.ts'
import {fitArchitectures} from '../../src/developer/fit-architectures.ts'
import {manifestOf} from '../../src/developer/read-manifest.ts'
import {revision} from '../coordinator/scheduling-world.ts'

const FOUND = manifestOf(
  'app: shop\norg: colibris\nroutes: [{path: /, function: site}]\nfunctions:\n  site:\n    source: .\n    architectures: [arm64]\n',
  'creo.yaml'
)
const {spec} = revision(1)

function fitted(wanted: RevisionSpec['architectures'], made: readonly string[] | 'in the registry'): RevisionSpec['architectures'] {
  const named = {function: 'site', digest: `sha256:${'0'.repeat(64)}`} as const
  const image: FunctionImage =
    made === 'in the registry'
      ? {...named, in: 'registry'}
      : {
          ...named,
          in: 'layout',
          layoutDirectory: '/nowhere',
          sizeBytes: 1,
          lackingBase: [],
          assets: undefined,
          layers: [],
          architectures: made
        }
  const before = wanted === undefined ? spec : {...spec, architectures: wanted}
  return fitArchitectures(new Map([['site', before]]), [image], FOUND).get('site')?.architectures
}

it.each<[string, RevisionSpec['architectures'], string[] | 'in the registry', RevisionSpec['architectures']]>([
  ['an image for all runs on all', undefined, ['arm64', 'amd64'], undefined],
  ['an image for one runs on that one', undefined, ['arm64'], ['arm64']],
  ['what the manifest wants of an image for all stays', ['amd64'], ['amd64', 'arm64'], ['amd64']],
  ['of an image that is elsewhere nothing is known', ['amd64'], 'in the registry', ['amd64']]
])('%s', (_what, wanted, made, expected) => {
  expect(fitted(wanted, made)).toEqual(expected)
})

it('refuses what the image is not made for, and says where that stands', () => {
  expect(() => fitted(['arm64'], ['amd64'])).toThrow(
    expect.objectContaining({
      code: 'image_missing',
      message: 'creo.yaml:7:5: The image of site is made for amd64, not for arm64.',
      hint: 'Build it for arm64 too, or take arm64 out.'
    })
  )
})
