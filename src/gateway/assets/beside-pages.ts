import {REVISION_HEADER} from '../headers.ts'
import type {Headers} from '../http/header-lines.ts'

/** What of an answer goes on: what describes data, and nothing by which an answer rules over its origin. Browsers learn new headers; this list does not. */
const PASSED_ON = new Set([
  'accept-ranges',
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'access-control-max-age',
  'age',
  'allow',
  'cache-control',
  'content-digest',
  'content-encoding',
  'content-language',
  'content-length',
  'content-range',
  'date',
  'etag',
  'expires',
  'last-modified',
  'retry-after',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'signature',
  'signature-input',
  'vary'
])
/** Types that no browser runs, whatever stands in them; any other answer is text. */
const DATA =
  /^(?:application\/(?:json|problem\+json|x-ndjson)|text\/event-stream|image\/(?:png|jpeg|gif|webp|avif)|(?:audio|video)\/[a-z0-9.+-]+)$/
const TEXT = 'text/plain; charset=utf-8'
/** A path of the same origin: not `//host`, nor with a backslash, which browsers read as a slash. */
const OWN_PATH = /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/

/**
 * What the client is told of an answer of a function beside one that serves listed files, at the same origin. Its host is not to be believed that it is a
 * page or a script: it can answer data, and all else is shown as text in a sandbox.
 */
export function dataHeaders(headers: Headers, revision: string): string[] {
  const answered = [REVISION_HEADER, revision]
  let type: string | undefined
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    if (name === 'content-type') type = type === undefined ? value : ''
    else if (PASSED_ON.has(name) || (name === 'location' && OWN_PATH.test(value))) answered.push(name, value)
  }
  answered.push('content-type', dataType(type ?? ''), 'x-content-type-options', 'nosniff')
  answered.push(
    'content-security-policy',
    "sandbox; default-src 'none'; frame-ancestors 'none'",
    'cross-origin-resource-policy',
    'same-origin'
  )
  return answered
}

function dataType(type: string): string {
  const [essence = ''] = type.toLowerCase().split(';', 1)
  return DATA.test(essence.trim()) ? essence.trim() : TEXT
}
