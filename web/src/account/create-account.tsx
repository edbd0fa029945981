import {useState} from 'preact/hooks'
import {nameSchema} from '../../../src/core/protocol/scalars.ts'
import {Field} from '../parts/field.tsx'
import {codeOf, troubleWords} from '../parts/trouble-words.ts'
import {useWords} from '../words.ts'
import {ConfirmWords} from './confirm-words.tsx'
import {createAccount, newKey} from './session.ts'

export const PASSPHRASE_LEAST = 10
const PASSPHRASE_MOST = 200

type Made = Awaited<ReturnType<typeof newKey>>

/** First a name and a passphrase, then the words, and only when they were written down the account. */
export function CreateAccount() {
  const {t} = useWords()
  const [name, setName] = useState('')
  const [passphrase, setPassphrase] = useState('')
  const [isTried, setTried] = useState(false)
  const [made, setMade] = useState<Made>()
  const [code, setCode] = useState<string>()
  const isNameWrong = !nameSchema.safeParse(name).success
  const isShort = [...passphrase].length < PASSPHRASE_LEAST
  const start = async (event: Event): Promise<void> => {
    event.preventDefault()
    setTried(true)
    if (isNameWrong || isShort) return
    try {
      setMade(await newKey())
    } catch (error) {
      setCode(codeOf(error))
    }
  }
  if (made !== undefined)
    return (
      <ConfirmWords
        words={made.words}
        word={t('account.do', {name})}
        act={() => createAccount({name, passphrase, ...made, about: t('account.do', {name})})}
        trouble={(of) => (of === 'conflict' ? t('account.name.taken', {name}) : troubleWords(t, of))}
        onBack={() => setMade(undefined)}
      />
    )
  return (
    <form class="sheet" onSubmit={(event) => void start(event)}>
      <Field
        label={t('account.name')}
        value={name}
        maxLength={20}
        autoComplete="username"
        onInput={(text) => setName(text.toLowerCase())}
        problem={isTried && isNameWrong ? t('account.name.wrong') : undefined}
        hint={t('account.name.hint')}
      />
      <Field
        label={t('account.passphrase')}
        isSecret
        autoComplete="new-password"
        maxLength={PASSPHRASE_MOST}
        value={passphrase}
        onInput={setPassphrase}
        problem={isTried && isShort ? t('account.passphrase.short', {count: PASSPHRASE_LEAST}) : undefined}
        hint={t('account.passphrase.hint')}
      />
      {code !== undefined && (
        <p class="trouble" role="alert">
          {code === 'unavailable' ? t('account.noCrypto') : troubleWords(t, code)}
        </p>
      )}
      <button type="submit" class="main">
        {t('account.next')}
      </button>
    </form>
  )
}
