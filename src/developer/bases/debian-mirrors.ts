import {execa} from 'execa'
import {CreoError} from '../../core/errors.ts'

const APT_TIMEOUT_MS = 60_000
const MIRRORS_MAX = 20
/** Where the user names mirrors: one address, or several with spaces between. */
export const MIRROR_VARIABLE = 'CREO_DEBIAN_MIRROR'
/** Debian's own names of its archives: the second has what was mended since the last point release. */
const DEBIAN = ['http://deb.debian.org/debian/', 'http://deb.debian.org/debian-security/']
const SNAPSHOTS = 'http://snapshot.debian.org/archive/'

/**
 * Where Debian's packages may be had, in the order in which they are asked: what the user names and nothing else, or what this machine's apt does, then
 * Debian itself, then what it had on the day of the pins. A wrong place does no harm: each package's digest is pinned.
 * @throws {CreoError} `invalid_input` for what is no address.
 */
export async function debianMirrors(
  env: Readonly<Record<string, string | undefined>>,
  snapshot: string,
  signal: AbortSignal
): Promise<string[]> {
  const named = env[MIRROR_VARIABLE]?.split(/\s+/).filter(Boolean) ?? []
  if (named.length > 0) return named.slice(0, MIRRORS_MAX).map(checked)
  const snapshots = ['debian', 'debian-security'].map((archive) => `${SNAPSHOTS}${archive}/${snapshot}/`)
  return [...new Set([...(await aptMirrors(signal)), ...DEBIAN, ...snapshots])]
}

/** None where there is no apt. */
async function aptMirrors(signal: AbortSignal): Promise<readonly string[]> {
  const args = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']
  const run = await execa('apt-get', args, {reject: false, stdin: 'ignore', timeout: APT_TIMEOUT_MS, cancelSignal: signal})
  signal.throwIfAborted()
  if (run.failed) return []
  const addresses = run.stdout.split('\n').filter((line) => /^https?:/.test(line) && URL.canParse(line))
  return [...new Set(addresses)].slice(0, MIRRORS_MAX).map(withSlash)
}

function checked(address: string): string {
  if (/^https?:/.test(address) && URL.canParse(address)) return withSlash(address)
  throw new CreoError('invalid_input', `${MIRROR_VARIABLE} names "${address}", which is no address.`, {
    hint: `${MIRROR_VARIABLE}=http://host/debian`
  })
}

function withSlash(address: string): string {
  return address.endsWith('/') ? address : `${address}/`
}
