import {CreoError} from '../core/errors.ts'
import {type Digest, isDigest} from './digest.ts'

const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const HOST = /^(?:localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|\[[0-9a-fA-F:]+\]|[a-zA-Z0-9-]+(?=:))(?::\d{1,5})?$/
const TAG_DEFAULT = 'latest'

/** An image in a registry. */
export interface RegistryReference {
  /** With its port, if it names one. */
  readonly host: string
  readonly repository: string
  /** A tag or a digest. */
  readonly reference: string
  readonly digest: Digest | undefined
}

/**
 * Reads `host[:port]/repository[:tag][@digest]`. A name without a host is none: which registry it means differs from machine to machine.
 * Undefined for what does not begin with a host and a slash.
 * @throws {CreoError} `invalid_input` when it begins so and goes on wrongly.
 */
export function parseReference(text: string): RegistryReference | undefined {
  const slash = text.indexOf('/')
  const host = slash === -1 ? '' : text.slice(0, slash)
  if (!HOST.test(host)) return undefined
  const [named = '', digest, ...more] = text.slice(slash + 1).split('@')
  const colon = named.lastIndexOf(':')
  const repository = colon === -1 ? named : named.slice(0, colon)
  const tag = colon === -1 ? TAG_DEFAULT : named.slice(colon + 1)
  const isWhole = more.length === 0 && REPOSITORY.test(repository) && TAG.test(tag)
  if (!isWhole || (digest !== undefined && !isDigest(digest))) {
    throw new CreoError('invalid_input', `"${text.slice(0, 200)}" is not the name of an image.`, {
      hint: 'Write host/repository:tag or host/repository@sha256:… in lower case.'
    })
  }
  return {host, repository, reference: digest ?? tag, digest}
}
