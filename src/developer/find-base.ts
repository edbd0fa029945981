import {join} from 'node:path'
import {CreoError, isCreoError} from '../core/errors.ts'
import {nodeBase} from '../images/base-node.ts'
import {BASE_NAMES, type BaseName, baseDirectory, findBase, type PinnedBase, readBaseLock} from '../images/bases.ts'
import type {Platform} from '../images/build-image.ts'
import {type RegistryAccess, thinBase} from '../images/thin-base.ts'
import type {MakeBaseOptions} from './bases/make-base.ts'
import {acquireImage, inScratch} from './image-source.ts'

export const ALL_ARCHITECTURES = ['amd64', 'arm64'] as const

export interface WantedBase {
  /** `node`, `python`, `static`, `scratch`, or an image as `image:` names one. */
  readonly base: string
  /** What paths are relative to. */
  readonly folder: string
  /** creo's data folder: bases lie in `bases/`. */
  readonly dataDirectory: string
  /** The registry that what is built will be pushed to, if it is known. */
  readonly registry?: RegistryAccess | undefined
  /** Makes a base that is nowhere; left out, it is missing. */
  readonly assemble?: ((options: MakeBaseOptions) => Promise<unknown>) | undefined
  /** Told what takes long. */
  readonly note?: (text: string) => void
  readonly signal: AbortSignal
}

/**
 * Does `work` with what a function's files are put upon, for as many architectures as there are: a base that was made here, else what
 * the registry has of it, else for Node one made of this machine's own, for this machine's architecture alone, and any other one made now. What is not kept is there while `work` runs.
 * @throws {CreoError} `build_failed` when the base is not here; as `assemble` does when it can't be made; as `acquireImage` does.
 */
export async function withPlatforms<T>(wanted: WantedBase, work: (platforms: readonly Platform[]) => Promise<T>): Promise<T> {
  const {base, dataDirectory, signal} = wanted
  if (base === 'scratch') return work(ALL_ARCHITECTURES.map((architecture) => ({architecture, base: 'scratch'})))
  const name = BASE_NAMES.find((one) => one === base)
  const basesDirectory = join(dataDirectory, 'bases')
  const pinned = name && {name, digest: (await readBaseLock()).bases[name]}
  const kept = pinned && (await findBase(basesDirectory, pinned))
  if (kept !== undefined) return work(kept)
  return inScratch(dataDirectory, async (scratch) => {
    const layoutDirectory = join(scratch, 'base')
    if (pinned !== undefined) {
      const thin = wanted.registry && (await thinBase(wanted.registry, pinned, {layoutDirectory, signal}))
      return work(thin ?? (await madeHere(pinned, basesDirectory, wanted)))
    }
    const {platforms} = await acquireImage({...wanted, image: base, layoutDirectory})
    return work(platforms)
  })
}

async function madeHere(
  pinned: PinnedBase,
  basesDirectory: string,
  {assemble, note = () => undefined, signal}: WantedBase
): Promise<readonly Platform[]> {
  const {name} = pinned
  if (name === 'node') {
    const own = await nodeBase({cacheDirectory: basesDirectory, signal})
    return [{architecture: own.architecture, base: own}]
  }
  try {
    await assemble?.({name, basesDirectory, note: (text) => note(`making creo/${name}, once: ${text}`), signal})
  } catch (error) {
    signal.throwIfAborted()
    throw isCreoError(error) ? notMade(pinned, basesDirectory, error) : error
  }
  const made = await findBase(basesDirectory, pinned)
  if (made === undefined) throw new CreoError('build_failed', `${whereItIsNot(name)}.`, {hint: `creo bases ${name}`})
  return made
}

function notMade({name, digest}: PinnedBase, basesDirectory: string, error: CreoError): CreoError {
  const elsewhere = `Where there is a network: creo bases ${name}. Without one, copy ${baseDirectory(basesDirectory, name, digest)} from a machine that made it.`
  const hint = error.code === 'unavailable' ? elsewhere : error.hint
  return new CreoError(error.code, `${whereItIsNot(name)}, and can't be made: ${error.message}`, {
    cause: error,
    ...(hint !== undefined && {hint})
  })
}

function whereItIsNot(name: BaseName): string {
  return `The base creo/${name} is neither on this machine nor in the network's registry`
}
