import {STATUS_CODES} from 'node:http'

/** Lower-case name, value, name, value, … in the order in which they came. */
export type Headers = readonly string[]

const CRLF = '\r\n'
const BLANK = 0x20
const TAB = 0x09
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** A control character, or a half of a line end; what is between values is tokens, colons and whole line ends. */
const TEXT_REFUSED = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)|(?<!\r)\n/
/** A head is looked for in so many bytes as text; only longer ones cost a second search. */
const HEAD_USUAL_BYTES_MAX = 2048
const HEAD_END = '\r\n\r\n'
export const HEAD_END_BYTES = HEAD_END.length

/** Names as most clients and functions write them: they need not be checked and lowered each time. */
const USUAL: ReadonlyMap<string, string> = new Map(
  [
    'Accept Accept-Encoding Accept-Language Authorization Cache-Control Connection Content-Encoding Content-Length Content-Type Cookie Date ETag Expect',
    'Host If-Modified-Since If-None-Match Keep-Alive Last-Modified Location Origin Pragma Referer Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Server',
    'Set-Cookie TE Traceparent Tracestate Trailer Transfer-Encoding Upgrade Upgrade-Insecure-Requests User-Agent Vary Via X-Forwarded-For X-Powered-By'
  ]
    .join(' ')
    .split(' ')
    .flatMap((name): [string, string][] => [
      [name, name.toLowerCase()],
      [name.toLowerCase(), name.toLowerCase()]
    ])
)

/** Fields that decide how a message is read or who may read it: they are believed in a head alone (RFC 9110, 6.5.1). */
const NEVER_TRAILERS = new Set(
  'authorization cache-control connection content-encoding content-length content-range content-type cookie expect host keep-alive range set-cookie te trailer transfer-encoding upgrade'.split(
    ' '
  )
)

/**
 * The head that begins at `start`, without the empty line behind it; undefined when its end is not there. No end is looked for before `searched`.
 */
export function headText(bytes: Buffer, start: number, searched: number): string | undefined {
  const usual = bytes.toString('latin1', start, Math.min(bytes.length, start + HEAD_USUAL_BYTES_MAX))
  const found = usual.indexOf(HEAD_END, searched - start)
  if (found !== -1) return usual.slice(0, found)
  if (bytes.length - start <= HEAD_USUAL_BYTES_MAX) return undefined
  const end = bytes.indexOf(HEAD_END, searched, 'latin1')
  return end === -1 ? undefined : bytes.toString('latin1', start, end)
}

/**
 * Reads the lines of `text` behind the line end at `from`; -1 stands for no line at all. Each is a token, a colon and a value without
 * control characters; a folded line begins with a blank, and so is none.
 * @returns undefined when any of them is something else.
 */
export function readHeaderLines(text: string, from: number): string[] | undefined {
  const headers: string[] = []
  if (TEXT_REFUSED.test(text)) return undefined
  let end = from
  while (end !== -1) {
    const start = end + CRLF.length
    end = text.indexOf(CRLF, start)
    if (!readLine(text, {start, end: end === -1 ? text.length : end}, headers)) return undefined
  }
  return headers
}

function readLine(text: string, {start, end}: {readonly start: number; readonly end: number}, headers: string[]): boolean {
  const colon = text.indexOf(':', start)
  if (colon === -1 || colon >= end) return false
  const written = text.slice(start, colon)
  let name = USUAL.get(written)
  if (name === undefined) {
    if (!TOKEN.test(written)) return false
    name = written.toLowerCase()
  }
  // `trim` would take away more than blanks and tabs.
  let first = colon + 1
  let last = end
  while (first < last && isBlank(text.charCodeAt(first))) first += 1
  while (last > first && isBlank(text.charCodeAt(last - 1))) last -= 1
  headers.push(name, text.slice(first, last))
  return true
}

function isBlank(code: number): boolean {
  return code === BLANK || code === TAB
}

/** The tokens of a list such as Connection's, in lower case. */
export function tokensOf(value: string): string[] {
  return value
    .toLowerCase()
    .split(',')
    .map((token) => token.trim())
}

export function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
}

export function linesOf(headers: Headers): string {
  let text = ''
  for (let at = 0; at < headers.length; at += 2) text += `${headers[at]}: ${headers[at + 1]}\r\n`
  return text
}

/** Without those that would be believed only in a head. */
export function allowedTrailers(trailers: Headers): string[] {
  const allowed: string[] = []
  for (let at = 0; at < trailers.length; at += 2) {
    const name = trailers[at] ?? ''
    if (!NEVER_TRAILERS.has(name) && !name.startsWith('creo-') && !name.startsWith('x-forwarded-'))
      allowed.push(name, trailers[at + 1] ?? '')
  }
  return allowed
}
