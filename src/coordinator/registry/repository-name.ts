import {CreoError} from '../../core/errors.ts'
import {type Digest, isDigest} from '../../images/digest.ts'

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

const SHAPES: readonly {readonly pattern: RegExp; readonly read: (repository: string, last: string) => RegistryPath}[] = [
  {pattern: /^(.+)\/blobs\/uploads\/?()$/, read: (repository) => ({kind: 'uploads', repository})},
  {pattern: /^(.+)\/blobs\/uploads\/([0-9a-f-]{36})$/, read: (repository, id) => ({kind: 'upload', repository, id})},
  {pattern: /^(.+)\/blobs\/([^/]+)$/, read: (repository, digest) => ({kind: 'blob', repository, digest: asDigest(digest)})},
  {pattern: /^(.+)\/manifests\/([^/]+)$/, read: (repository, reference) => ({kind: 'manifest', repository, reference})},
  {pattern: /^(.+)\/tags\/list()$/, read: (repository) => ({kind: 'tags', repository})}
]

/**
 * Takes apart what follows `/v2/`. A repository's name holds slashes, so it is told from the rest by the rest.
 * @throws {CreoError} `not_found` for an address that the registry does not have, `invalid_input` for a bad name, tag or digest.
 */
export function parseRegistryPath(path: string): RegistryPath {
  for (const {pattern, read} of SHAPES) {
    const match = pattern.exec(path)
    if (!match) continue
    const parsed = read(match[1] ?? '', match[2] ?? '')
    assertRepository(parsed.repository)
    if (parsed.kind === 'manifest') assertReference(parsed.reference)
    return parsed
  }
  throw new CreoError('not_found', 'The registry has no such address.')
}

/** The first part of a repository's name. */
export function orgOf(repository: string): string {
  return repository.split('/', 1)[0] ?? repository
}

function assertRepository(name: string): void {
  if (name.length <= NAME_LENGTH_MAX && REPOSITORY.test(name)) return
  throw new CreoError('invalid_input', `"${name.slice(0, 80)}" is not the name of a repository.`, {
    hint: 'Use lower-case words with slashes, as in org/app/function.'
  })
}

function assertReference(reference: string): void {
  if (isDigest(reference) || TAG.test(reference)) return
  throw new CreoError('invalid_input', `"${reference.slice(0, 80)}" is neither a tag nor a digest.`)
}

function asDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new CreoError('invalid_input', `"${text.slice(0, 80)}" is not a digest.`, {
    hint: 'A digest is sha256: and 64 lower-case hex digits.'
  })
}
