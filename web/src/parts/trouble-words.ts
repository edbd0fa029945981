import {en, type WordKey} from '../words/en.ts'
import type {Speech} from '../words.ts'

/** As browsers say that a script which is only now needed could not be fetched. */
const NO_SCRIPT = /import|module/i

/** The network's code of an error; `offline` where the page's own next script could not be had. */
export function codeOf(error: unknown): string {
  const {code, message} = error as {readonly code?: unknown; readonly message?: unknown}
  if (typeof code === 'string') return code
  return error instanceof TypeError && NO_SCRIPT.test(String(message)) ? 'offline' : 'internal'
}

/** Why something did not work, by the network's code for it. */
export function troubleWords(t: Speech['t'], code: string): string {
  const key = `trouble.${code}`
  return Object.hasOwn(en, key) ? t(key as WordKey) : t('trouble.other', {code})
}
