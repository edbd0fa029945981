import {CreoError} from '../core/errors.ts'

const LINES_MAX = 1000
const LINE_LENGTH_MAX = 512

/** Never part of an image, whatever `.creoignore` says. */
const ALWAYS_IGNORED = ['.git', 'node_modules/.cache', '.creoignore']

/** True when a path (relative, forward slashes) stays out of the image. */
export type IgnoreRule = (path: string, isDirectory: boolean) => boolean

/**
 * Reads `.creoignore`: one glob a line, `#` starts a comment. A line with a slash before its end is matched from the folder's
 * root, any other at every depth; `*` and `?` stay inside one name, `**` crosses names, a trailing `/` means directories,
 * a leading `!` takes a path back in. The last line that matches decides.
 * @throws {CreoError} `invalid_input` for a file that is too long.
 */
export function parseIgnore(text: string): IgnoreRule {
  const lines = text.split('\n')
  if (lines.length > LINES_MAX) throw new CreoError('invalid_input', `.creoignore has more than ${LINES_MAX} lines.`)
  const rules = lines.map((line) => line.trim()).flatMap((line) => (line === '' || line.startsWith('#') ? [] : [parseLine(line)]))
  return (path, isDirectory) => {
    if (ALWAYS_IGNORED.some((name) => path === name || path.endsWith(`/${name}`))) return true
    const deciding = rules.findLast((rule) => (isDirectory || !rule.directoryOnly) && rule.pattern.test(path))
    return deciding?.ignores ?? false
  }
}

function parseLine(line: string): {readonly pattern: RegExp; readonly ignores: boolean; readonly directoryOnly: boolean} {
  if (line.length > LINE_LENGTH_MAX)
    throw new CreoError('invalid_input', `A line of .creoignore is longer than ${LINE_LENGTH_MAX} characters.`)
  const ignores = !line.startsWith('!')
  const glob = ignores ? line : line.slice(1)
  const directoryOnly = glob.endsWith('/')
  const body = glob.replace(/^\/|\/$/g, '')
  const anchored = glob.startsWith('/') || body.includes('/')
  return {pattern: new RegExp(`^${anchored ? '' : '(?:.*/)?'}${globSource(body)}$`), ignores, directoryOnly}
}

function globSource(glob: string): string {
  return glob.replace(/\*\*\/|\*\*|\*|\?|[\\^$.|+()[\]{}]/g, (token) => {
    if (token === '**/') return '(?:.*/)?'
    if (token === '**') return '.*'
    if (token === '*') return '[^/]*'
    if (token === '?') return '[^/]'
    return `\\${token}`
  })
}
