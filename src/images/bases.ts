import {readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {programFile} from '../config/paths.ts'
import type {Platform} from './build-image.ts'
import {type Digest, digestHex, isDigest} from './digest.ts'
import {readLayoutBlob, readLayoutRoot} from './layout.ts'
import {type ImageIndex, indexSchema, isArchitecture} from './oci.ts'

export const BASE_NAMES = ['node', 'python', 'static'] as const
export type BaseName = (typeof BASE_NAMES)[number]

const LOCK = programFile('packaging/bases/bases.lock.json')
const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'is not a sha256 digest')
const packageSchema = z.strictObject({
  version: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Below the root of a Debian mirror. */
  path: z.string().regex(/^pool\/[\w.+~/-]+\.deb$/),
  bytes: z.int().positive()
})
export type PinnedPackage = z.infer<typeof packageSchema>

const perArchitecture = <S extends z.ZodType>(schema: S) => z.strictObject({amd64: schema, arm64: schema})

/** What the bases are made of, and what came out: the digest of each one's index. */
export const baseLockSchema = z.strictObject({
  bases: z.strictObject({node: digest, python: digest, static: digest}),
  node: z.strictObject({version: z.string(), integrity: perArchitecture(z.string())}),
  /** A day on which Debian's archive had these packages, as its snapshots name it: mirrors drop what a newer version replaces. */
  debianSnapshot: z.string().regex(/^\d{8}T\d{6}Z$/),
  packages: perArchitecture(z.record(z.string(), packageSchema))
})
export type BaseLock = z.infer<typeof baseLockSchema>

/** The pins that this creo was made with. */
export async function readBaseLock(): Promise<BaseLock> {
  return baseLockSchema.parse(JSON.parse(await readFile(LOCK, 'utf8')))
}

/** One base of the lock. */
export interface PinnedBase {
  readonly name: BaseName
  readonly digest: Digest
}

/** Where a base of this digest lies among the user's. */
export function baseDirectory(basesDirectory: string, name: BaseName, pinned: Digest): string {
  return join(basesDirectory, `creo-${name}-${digestHex(pinned).slice(0, 16)}`)
}

/** The org of the bases' repositories. No account has this name: what lies there comes from the network itself. */
export const BASES_ORG = 'creo'

/** Where a registry keeps a base; its digest says which. */
export function baseRepository(name: BaseName): string {
  return `${BASES_ORG}/${name}`
}

/** What a folder of `baseDirectory` holds, by its name. */
export function baseOfDirectory(folder: string): {readonly repository: string; readonly tag: string} | undefined {
  const [, found, tag] = /^creo-([a-z]+)-([0-9a-f]{16})$/.exec(folder) ?? []
  const name = BASE_NAMES.find((one) => one === found)
  return name === undefined || tag === undefined ? undefined : {repository: baseRepository(name), tag}
}

/** The pinned base for all its architectures, if it was made on this machine or put there. */
export async function findBase(basesDirectory: string, {name, digest: pinned}: PinnedBase): Promise<readonly Platform[] | undefined> {
  const layoutDirectory = baseDirectory(basesDirectory, name, pinned)
  if (!(await stat(join(layoutDirectory, 'index.json')).catch(() => undefined))) return undefined
  const root = await readLayoutRoot(layoutDirectory)
  if (root.digest !== pinned) return undefined
  const index = indexSchema.parse(JSON.parse((await readLayoutBlob(layoutDirectory, root.digest)).toString('utf8')))
  return platformsOf(index, layoutDirectory)
}

/** The images of an index that functions can run on. */
export function platformsOf(index: ImageIndex, layoutDirectory: string): readonly Platform[] {
  return index.manifests.flatMap(({platform, digest: manifestDigest}) =>
    platform?.os === 'linux' && isArchitecture(platform.architecture)
      ? [{architecture: platform.architecture, base: {layoutDirectory, manifestDigest}}]
      : []
  )
}
