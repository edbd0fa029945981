import {CreoError} from '../core/errors.ts'

/** What an extended header may say. Not `size` and not GNU.sparse.*: they change how many bytes follow, or how many are written. */
const KEYS: ReadonlySet<string> = new Set(['path', 'linkpath', 'mtime', 'atime', 'ctime', 'uid', 'gid', 'uname', 'gname'])
const ATTRIBUTE_PREFIX = 'SCHILY.xattr.'
/** The storage of the runtime keeps its own notes about layers in these. */
const ATTRIBUTES_REFUSED = ['trusted.', 'user.overlay.']
const LENGTH_DIGITS_MAX = 7
const SPACE = 32
const NEWLINE = 10

/**
 * Reads "LENGTH KEY=VALUE\n" records by their lengths alone.
 * @throws {CreoError} `rejected` for records that are cut, that may not be there, or whose value another reader would cut elsewhere.
 */
export function parsePax(body: Buffer): {path?: string; linkpath?: string} {
  const found: {path?: string; linkpath?: string} = {}
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(SPACE, at)
    const digits = space === -1 ? '' : body.toString('latin1', at, space)
    const end = at + Number(digits)
    if (!/^[1-9]\d*$/.test(digits) || digits.length > LENGTH_DIGITS_MAX || end > body.length || end <= space + 1) throw refused()
    if (body[end - 1] !== NEWLINE) throw refused()
    const record = body.subarray(space + 1, end - 1)
    const equals = record.indexOf('=')
    if (equals <= 0) throw refused()
    const key = record.toString('utf8', 0, equals)
    const value = record.subarray(equals + 1)
    assertAllowed(key, value)
    if (key === 'path' || key === 'linkpath') found[key] = value.toString('utf8')
    at = end
  }
  return found
}

/** The whole body of a GNU long name, which ends with one NUL. @throws {CreoError} `rejected` when there is more behind it. */
export function longName(body: Buffer): string {
  const end = body.indexOf(0)
  const name = end === -1 ? body : body.subarray(0, end)
  if (name.length === 0 || (end !== -1 && body.subarray(end).some((byte) => byte !== 0))) throw refused()
  return name.toString('utf8')
}

function assertAllowed(key: string, value: Buffer): void {
  if (key.startsWith(ATTRIBUTE_PREFIX)) {
    const attribute = key.slice(ATTRIBUTE_PREFIX.length)
    if (ATTRIBUTES_REFUSED.some((prefix) => attribute.startsWith(prefix))) throw refused(key)
    return
  }
  if (!KEYS.has(key)) throw refused(key)
  if (value.length === 0 || value.includes(0) || value.includes(NEWLINE)) throw refused(key)
}

function refused(key?: string): CreoError {
  const what = key === undefined ? 'that is damaged' : `with "${JSON.stringify(key.slice(0, 80)).slice(1, -1)}"`
  return new CreoError('rejected', `A layer of the image has an extended header ${what}.`, {hint: 'Build and push the image again.'})
}
