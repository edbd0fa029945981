import {CreoError} from '../core/errors.ts'
import type {MiningOffers} from '../miner/mining-offers.ts'
import {choiceText, guttaText} from './offers-text.ts'

const TRIES_MAX = 3

export interface PickTalk {
  /** Puts one question and answers what was typed. */
  readonly ask: (question: string) => Promise<string>
  readonly say: (text: string) => void
}

/**
 * Lets a person choose what to earn, Gutta first; each choice is shown with the flag that makes it.
 * @throws {CreoError} `usage` when no answer could be understood.
 */
export async function pickEarn(offers: MiningOffers, {ask, say}: PickTalk): Promise<readonly string[]> {
  const names = [offers.gutta.earn, ...offers.choices.map(({earn}) => earn)]
  const texts = [guttaText(offers.gutta), ...offers.choices.map(choiceText)]
  say(`${texts.map((text, index) => `${index + 1}. ${text}`).join('\n\n')}\n`)
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const numbers = numbersOf(await ask('What to earn, best first? Numbers, such as 1 2 [1]:'), names.length)
    if (numbers === undefined) {
      say(`Give numbers from 1 to ${names.length}.`)
      continue
    }
    const picked = numbers.flatMap((number) => names[number - 1] ?? [])
    say(`The same without asking: ${picked.map((name) => `--earn ${name}`).join(' ')}`)
    return picked
  }
  throw new CreoError('usage', 'None of the answers was a choice.', {hint: 'Say it with --earn, see: creo mine offers'})
}

/** "2, 1" → [2, 1]; nothing means the first. Undefined for anything else. */
function numbersOf(text: string, count: number): readonly number[] | undefined {
  const words = text.split(/[\s,]+/).filter((word) => word !== '')
  if (words.length === 0) return [1]
  const numbers = [...new Set(words.map(Number))]
  return numbers.every((number) => Number.isInteger(number) && number >= 1 && number <= count) ? numbers : undefined
}
