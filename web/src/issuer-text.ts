/**
 * Texts that issuers wrote, taken apart so that nothing in them can pass for something else: signs that nobody sees (or that turn the order of what stands
 * beside them) are named, and letters of several scripts in one word are pointed out.
 */
export type TextPart = {readonly kind: 'plain'; readonly text: string} | {readonly kind: 'hidden'; readonly name: string}

export interface IssuerText {
  readonly parts: readonly TextPart[]
  /** Words with letters of more than one script, as look-alikes have. */
  readonly isMixed: boolean
}

const LENGTH_MAX = 200
/** Controls, formats (bidirectional, zero-width, tags), private use, lone surrogates, and letters that are drawn as nothing. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u115f\u1160\u3164\uffa0\u2800]/u
/** Joins two pictures into one, and is looked for nowhere else. */
const JOINER = '\u200d'
const EMOJI = /\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f/u
/** Stacks of marks that run over the lines above and below. */
const MARKS_MAX = 3
const MARK = /\p{M}/u
const SCRIPTS = ['Latin', 'Cyrillic', 'Greek', 'Armenian', 'Hebrew', 'Arabic', 'Cherokee', 'Coptic'].map((name) => [
  name,
  new RegExp(`\\p{Script=${name}}`, 'u')
]) as readonly (readonly [string, RegExp])[]

export function takeApart(text: string): IssuerText {
  const signs = [...text].slice(0, LENGTH_MAX)
  const parts: TextPart[] = []
  let marks = 0
  for (const [place, sign] of signs.entries()) {
    marks = MARK.test(sign) ? marks + 1 : 0
    const joinsEmoji = sign === JOINER && EMOJI.test(signs[place - 1] ?? '') && EMOJI.test(signs[place + 1] ?? '')
    if ((HIDDEN.test(sign) && !joinsEmoji) || marks > MARKS_MAX) parts.push({kind: 'hidden', name: nameOf(sign)})
    else addPlain(parts, sign)
  }
  if (signs.length < [...text].length) addPlain(parts, '…')
  return {parts, isMixed: text.split(/[^\p{L}\p{M}\p{N}]+/u).some(isMixedWord)}
}

/** As one line without markup, for titles and labels. */
export function plainText(text: string): string {
  return takeApart(text)
    .parts.map((part) => (part.kind === 'plain' ? part.text : `[${part.name}]`))
    .join('')
}

function addPlain(parts: TextPart[], sign: string): void {
  const last = parts.at(-1)
  if (last?.kind === 'plain') parts[parts.length - 1] = {kind: 'plain', text: last.text + sign}
  else parts.push({kind: 'plain', text: sign})
}

function nameOf(sign: string): string {
  return `U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}

function isMixedWord(word: string): boolean {
  return SCRIPTS.filter(([, script]) => script.test(word)).length > 1
}
