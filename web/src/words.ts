import {recall, remember} from './remember.ts'
import {createStore, useStore} from './store.ts'
import {en, type WordKey, type Words} from './words/en.ts'
import {LANGUAGES} from './words/languages.ts'

/** The page's words in the reader's language. */
export interface Speech {
  /** With the reader's own region, by which numbers and times are written: `en-GB`. */
  readonly language: string
  readonly t: (key: WordKey, values?: Readonly<Record<string, string | number>>) => string
}

const KEY = 'language'

export const speech = createStore<Speech>(speechOf('en', en))

export function useWords(): Speech {
  return useStore(speech)
}

/** Takes the language that was chosen, or the first that the browser asks for and that there is. */
export async function startWords(): Promise<void> {
  const wished = [recall(KEY), ...navigator.languages.map((language) => language.split('-')[0])]
  await speak(wished.find((language) => language !== undefined && Object.hasOwn(LANGUAGES, language)) ?? 'en')
}

export async function chooseLanguage(language: string): Promise<void> {
  remember(KEY, language)
  await speak(language)
}

async function speak(language: string): Promise<void> {
  const known = LANGUAGES[language]
  if (known === undefined) return
  const words = await known.load()
  document.documentElement.lang = language
  // `?dir=rtl` shows how the page stands in a language that is written from the right, before there is one.
  document.documentElement.dir = location.search === '?dir=rtl' ? 'rtl' : known.dir
  const own = navigator.languages.find((wished) => wished.split('-')[0] === language)
  speech.set(speechOf(own ?? language, words))
}

/** `{name}` in a text is replaced; of a text in several forms, the one that the number `count` needs is taken. */
export function speechOf(language: string, words: Words): Speech {
  const forms = new Intl.PluralRules(language)
  return {
    language,
    t: (key, values = {}) => {
      const word = words[key]
      const text = typeof word === 'string' ? word : (word[forms.select(Number(values.count)) === 'one' ? 'one' : 'other'] ?? '')
      return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
    }
  }
}
