import {CreoError} from '../../core/errors.ts'
import {type Digest, isDigest} from '../../images/digest.ts'
import {OciError} from './oci-error.ts'

const NAME_LENGTH_MAX = 255
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/** What a path after `/v2/` asks for. */
export type RegistryPath =
  | {readonly kind: 'blob'; readonly repository: string; readonly digest: Digest}
  | {readonly kind: 'uploads'; readonly repository: string}
  | {readonly kind: 'upload'; readonly repository: string; readonly id: string}
  | {readonly kind: 'manifest'; readonly repository: string; readonly reference: string}
  | {readonly kind: 'tags'; readonly repository: string}
  | {readonly kind: 'referrers'; readonly repository: string; readonly digest: Digest}

const SHAPES: readonly {readonly pattern: RegExp; readonly read: (repository: string, last: string) => RegistryPath}[] = [
  {pattern: /^(.+)\/blobs\/uploads\/?()$/, read: (repository) => ({kind: 'uploads', repository})},
  {pattern: /^(.+)\/blobs\/uploads\/([0-9a-f-]{36})$/, read: (repository, id) => ({kind: 'upload', repository, id})},
  {pattern: /^(.+)\/blobs\/([^/]+)$/, read: (repository, digest) => ({kind: 'blob', repository, digest: asDigest(digest)})},
  {pattern: /^(.+)\/manifests\/([^/]+)$/, read: (repository, reference) => ({kind: 'manifest', repository, reference})},
  {pattern: /^(.+)\/tags\/list()$/, read: (repository) => ({kind: 'tags', repository})},
  {pattern: /^(.+)\/referrers\/([^/]+)$/, read: (repository, digest) => ({kind: 'referrers', repository, digest: asDigest(digest)})}
]

/**
 * Takes apart what follows `/v2/`. A repository's name holds slashes, so it is told from the rest by the rest.
 * @throws {OciError} for a bad name, tag or digest, in the code that the specification has for it; {CreoError} `not_found` for an address that the
 * registry does not have.
 */
export function parseRegistryPath(path: string, method: string): RegistryPath {
  for (const {pattern, read} of SHAPES) {
    const match = pattern.exec(path)
    if (!match) continue
    assertRepository(match[1] ?? '')
    const parsed = read(match[1] ?? '', match[2] ?? '')
    if (parsed.kind === 'manifest') assertReference(parsed.reference, method)
    return parsed
  }
  throw new CreoError('not_found', 'The registry has no such address.')
}

/** The first part of a repository's name. */
export function orgOf(repository: string): string {
  return repository.split('/', 1)[0] ?? repository
}

/** A digest of the kind that this registry names blobs by. @throws {OciError} `DIGEST_INVALID` */
export function asDigest(text: string): Digest {
  if (isDigest(text)) return text
  const what = /^sha512:[0-9a-f]{128}$/.test(text) ? 'is a sha512 digest, which this registry does not keep' : 'is not a digest'
  throw new OciError('DIGEST_INVALID', 400, 'invalid_input', `"${text.slice(0, 80)}" ${what}.`, {
    hint: 'A digest is sha256: and 64 lower-case hex digits.'
  })
}

export function isRepository(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && REPOSITORY.test(name)
}

function assertRepository(name: string): void {
  if (isRepository(name)) return
  throw new OciError('NAME_INVALID', 400, 'invalid_input', `"${name.slice(0, 80)}" is not the name of a repository.`, {
    hint: 'Use lower-case words with slashes, as in org/app/function.'
  })
}

/** What can be no tag names nothing that is here; only who would make it is told why. */
function assertReference(reference: string, method: string): void {
  if (TAG.test(reference)) return
  if (reference.includes(':')) {
    asDigest(reference)
    return
  }
  const message = `"${reference.slice(0, 80)}" is neither a tag nor a digest.`
  if (method !== 'PUT') throw new OciError('MANIFEST_UNKNOWN', 404, 'image_missing', message)
  throw new OciError('NAME_INVALID', 400, 'invalid_input', message, {
    hint: 'A tag has at most 128 letters, digits, dots, dashes and underscores.'
  })
}
