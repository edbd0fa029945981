import {createInterface} from 'node:readline/promises'
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

/** True when the user agrees; everything but a yes is a no. */
export async function askYesNo(question: string, signal: AbortSignal): Promise<boolean> {
  return /^y(es)?$/i.test(await askText(`${question} [y/N]`, {flag: '--yes', signal}))
}
