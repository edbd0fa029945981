import type {DevEvent} from '../developer/dev-events.ts'
import {formatDurationMs} from './format.ts'
import {plainLine} from './plain-line.ts'

/** One event as a line for people. */
export function devText(seen: DevEvent): string {
  switch (seen.event) {
    case 'answers':
      return `${seen.url} answers with ${seen.revisions.map((one) => `${one.function} ${one.revision}`).join(', ')} after ${formatDurationMs(seen.ms)}.`
    case 'failed':
      return [`Not taken up: ${seen.error.message}`, ...(seen.error.hint === undefined ? [] : [`Try this: ${seen.error.hint}`])]
        .flatMap((text) => text.split('\n'))
        .map(plainLine)
        .join('\n')
    case 'warning':
      return `Warning: ${plainLine(seen.message)}`
    case 'log':
      return `${clock(seen.at)} ${seen.function ?? '-'} | ${seen.failure === null ? '' : 'creo: '}${plainLine(seen.line)}${seen.failure === null ? '' : ` (${seen.failure})`}`
    case 'request':
      return `${clock(seen.at)} ${seen.function === '' ? '-' : seen.function} < ${seen.method} ${plainLine(seen.path)} ${seen.status} ${Math.round(seen.ms)} ms`
  }
}

/** As `--json` shows it. */
export function devJson(seen: DevEvent): Readonly<Record<string, unknown>> {
  if (seen.event !== 'failed') return {...seen}
  const {code, message, hint} = seen.error
  return {event: 'failed', error: {code, message, ...(hint !== undefined && {hint})}}
}

/** The time of day, UTC, of an RFC 3339 time. */
function clock(at: string): string {
  return at.slice('2026-11-22T'.length, '2026-11-22T18:00:00'.length)
}
