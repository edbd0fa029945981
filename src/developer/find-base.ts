import {join} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {nodeBase} from '../images/base-node.ts'
import {BASE_NAMES, type BaseName, findBase} from '../images/bases.ts'
import type {Platform} from '../images/build-image.ts'
import {acquireImage, inScratch} from './image-source.ts'

const ALL_ARCHITECTURES = ['amd64', 'arm64'] as const

export interface WantedBase {
  /** `node`, `python`, `static`, `scratch`, or an image as `image:` names one. */
  readonly base: string
  /** What paths are relative to. */
  readonly folder: string
  /** creo's data folder: bases lie in `bases/`. */
  readonly dataDirectory: string
  readonly signal: AbortSignal
}

/**
 * Does `work` with what a function's files are put upon, for as many architectures as there are: a base that `npm run bases` assembled, else for
 * Node one made of this machine's own, for this machine's architecture alone. An image of others is there while `work` runs.
 * @throws {CreoError} `build_failed` when the base is not here; as `acquireImage` does.
 */
export async function withPlatforms<T>(wanted: WantedBase, work: (platforms: readonly Platform[]) => Promise<T>): Promise<T> {
  const {base, dataDirectory, signal} = wanted
  if (base === 'scratch') return work(ALL_ARCHITECTURES.map((architecture) => ({architecture, base: 'scratch'})))
  const name = BASE_NAMES.find((one) => one === base)
  if (name !== undefined) return work(await ownBase(name, join(dataDirectory, 'bases'), signal))
  return inScratch(dataDirectory, async (scratch) => {
    const {platforms} = await acquireImage({...wanted, image: base, layoutDirectory: join(scratch, 'base')})
    return work(platforms)
  })
}

async function ownBase(name: BaseName, basesDirectory: string, signal: AbortSignal): Promise<readonly Platform[]> {
  const found = await findBase(basesDirectory, name)
  if (found !== undefined) return found
  if (name !== 'node') {
    throw new CreoError('build_failed', `The base creo/${name} is not on this machine.`, {
      hint: 'Assemble it in a checkout of creo: npm run bases'
    })
  }
  const own = await nodeBase({cacheDirectory: basesDirectory, signal})
  return [{architecture: own.architecture, base: own}]
}
