import {createInterface} from 'node:readline/promises'
import {addAbortSignal} from 'node:stream'
import {CreoError} from '../core/errors.ts'

/** Asks one question on the terminal; the answer is what was typed, without the spaces around it. */
export async function askText(question: string, options: {readonly flag: string; readonly signal: AbortSignal}): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new CreoError('usage', `"${question}" can't be asked without a terminal.`, {hint: `Give the answer with ${options.flag}.`})
  }
  const terminal = createInterface({input: process.stdin, output: process.stderr})
  try {
    return (await terminal.question(`${question} `, {signal: options.signal})).trim()
  } finally {
    terminal.close()
  }
}

const SECRET_CHARACTERS_MAX = 10_000

/** What must not be seen in a list of processes or a shell's history: asked on a terminal, or all that comes on stdin. */
export async function readSecret(question: string, signal: AbortSignal): Promise<string> {
  if (process.stdin.isTTY) return await askText(question, {flag: 'stdin', signal})
  let read = ''
  for await (const chunk of addAbortSignal(signal, process.stdin.setEncoding('utf8'))) {
    read += chunk
    if (read.length > SECRET_CHARACTERS_MAX)
      throw new CreoError('payload_too_large', 'What came on stdin is too long.', {hint: 'Give the code alone.'})
  }
  return read.trim()
}

/** True when the user agrees; everything but a yes is a no. */
export async function askYesNo(question: string, signal: AbortSignal): Promise<boolean> {
  return /^y(es)?$/i.test(await askText(`${question} [y/N]`, {flag: '--yes', signal}))
}
