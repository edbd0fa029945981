import {createInterface} from 'node:readline/promises'
import {Writable} from 'node:stream'
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

/** Like `askText`, but what is typed is not shown, and kept as it is. */
export async function askHidden(question: string, options: {readonly flag: string; readonly signal: AbortSignal}): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new CreoError('usage', `"${question}" can't be asked without a terminal.`, {hint: `Give the answer with ${options.flag}.`})
  }
  const nowhere = new Writable({write: (_chunk, _encoding, done) => done()})
  const terminal = createInterface({input: process.stdin, output: nowhere, terminal: true, historySize: 0})
  // Ctrl-C is a key like any other while the terminal doesn't show what is typed.
  terminal.once('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  process.stderr.write(`${question} `)
  try {
    return await terminal.question('', {signal: options.signal})
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}

/** True when the user agrees; everything but a yes is a no. */
export async function askYesNo(question: string, signal: AbortSignal): Promise<boolean> {
  return /^y(es)?$/i.test(await askText(`${question} [y/N]`, {flag: '--yes', signal}))
}
