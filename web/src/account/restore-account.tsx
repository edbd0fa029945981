import {useState} from 'preact/hooks'
import {Field} from '../parts/field.tsx'
import {codeOf, troubleWords} from '../parts/trouble-words.ts'
import {type Speech, useWords} from '../words.ts'
import {PASSPHRASE_LEAST} from './create-account.tsx'
import {restoreAccount} from './session.ts'

const WORDS_LENGTH_MAX = 300

/** Brings an account back from its name and its words, under a passphrase for this browser. */
export function RestoreAccount() {
  const {t} = useWords()
  const [name, setName] = useState('')
  const [words, setWords] = useState('')
  const [passphrase, setPassphrase] = useState('')
  const [isBusy, setBusy] = useState(false)
  const [isTried, setTried] = useState(false)
  const [code, setCode] = useState<string>()
  const isShort = [...passphrase].length < PASSPHRASE_LEAST
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setTried(true)
    setCode(undefined)
    if (isShort || isBusy) return
    setBusy(true)
    try {
      await restoreAccount({name: name.trim().toLowerCase(), words, passphrase})
    } catch (error) {
      setCode(codeOf(error))
      setBusy(false)
    }
  }
  return (
    <form class="sheet" onSubmit={(event) => void submit(event)}>
      <Field label={t('account.name')} value={name} autoComplete="username" onInput={setName} />
      <div class="field">
        <label for="words">{t('words.title')}</label>
        <textarea
          id="words"
          rows={3}
          lang="en"
          autoCapitalize="none"
          autoComplete="off"
          spellcheck={false}
          maxLength={WORDS_LENGTH_MAX}
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
      </div>
      <Field
        label={t('account.passphrase.new')}
        isSecret
        autoComplete="new-password"
        maxLength={200}
        value={passphrase}
        onInput={setPassphrase}
        problem={isTried && isShort ? t('account.passphrase.short', {count: PASSPHRASE_LEAST}) : undefined}
      />
      <div role="status">{code !== undefined && <p class="trouble">{restoreTrouble(t, code)}</p>}</div>
      <button type="submit" class="main" disabled={isBusy}>
        {isBusy ? t('act.busy') : t('account.restore')}
      </button>
    </form>
  )
}

function restoreTrouble(t: Speech['t'], code: string): string {
  if (code === 'invalid_input') return t('words.wrong')
  if (code === 'not_found') return t('account.unknown')
  return code === 'forbidden' ? t('words.other') : troubleWords(t, code)
}
