import {addAbortSignal} from 'node:stream'
import {CreoError} from '../core/errors.ts'

const NAMES_MAX = 10_000
const INPUT_CHARS_MAX = 1_000_000

/** Names from a pipe, one a line or between spaces, as `jq -r` writes them. @throws {CreoError} `usage` without a pipe, `invalid_input` */
export async function readNames(signal: AbortSignal): Promise<readonly string[]> {
  if (process.stdin.isTTY)
    throw new CreoError('usage', 'A "-" stands for what comes by a pipe, and there is none.', {hint: 'creo redemption list --status held'})
  let text = ''
  for await (const chunk of addAbortSignal(signal, process.stdin).setEncoding('utf8')) {
    text += chunk
    if (text.length > INPUT_CHARS_MAX) throw tooMany()
  }
  const names = text.split(/\s+/).filter((name) => name !== '')
  if (names.length > NAMES_MAX) throw tooMany()
  return names
}

function tooMany(): CreoError {
  return new CreoError('invalid_input', `There are more than ${NAMES_MAX} names.`, {hint: 'Give them in parts, or all that wait: --all'})
}
