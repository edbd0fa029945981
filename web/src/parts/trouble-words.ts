import {en, type WordKey} from '../words/en.ts'
import type {Speech} from '../words.ts'

/** Why something did not work, by the network's code for it. */
export function troubleWords(t: Speech['t'], code: string): string {
  const key = `trouble.${code}`
  return Object.hasOwn(en, key) ? t(key as WordKey) : t('trouble.other', {code})
}
