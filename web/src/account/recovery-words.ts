import {entropyToMnemonic, mnemonicToEntropy} from '@scure/bip39'
import {wordlist} from '@scure/bip39/wordlists/english.js'

/** A key's secret as twelve words (BIP 39, English), which people can write down and type. */
export function wordsOf(secret: Uint8Array): string {
  return entropyToMnemonic(secret, wordlist)
}

/** Undefined for what are no such words: one that is not on the list, or whose check does not hold. */
export function secretOfWords(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return new Uint8Array(mnemonicToEntropy(text.normalize('NFKD').toLowerCase().trim().split(/\s+/).join(' '), wordlist))
  } catch {
    return undefined
  }
}
