import {useState} from 'preact/hooks'
import {Field} from '../parts/field.tsx'
import {codeOf, troubleWords} from '../parts/trouble-words.ts'
import {useWords} from '../words.ts'
import {ConfirmWords} from './confirm-words.tsx'
import {PASSPHRASE_LEAST} from './create-account.tsx'
import {linkAccount, newKey} from './session.ts'

const TOKEN = /^\s*invite\.acc_[0-9a-f]{32}\.[A-Za-z0-9_-]{43}\s*$/
const TOKEN_LENGTH_MAX = 120
const PASSPHRASE_MOST = 200

/** A key of this browser for an account that is kept elsewhere, with the role that it was invited to. */
export function LinkAccount() {
  const {t} = useWords()
  const [token, setToken] = useState('')
  const [passphrase, setPassphrase] = useState('')
  const [isTried, setTried] = useState(false)
  const [made, setMade] = useState<Awaited<ReturnType<typeof newKey>>>()
  const [code, setCode] = useState<string>()
  const isWrong = !TOKEN.test(token)
  const isShort = [...passphrase].length < PASSPHRASE_LEAST
  const start = async (event: Event): Promise<void> => {
    event.preventDefault()
    setTried(true)
    if (isWrong || isShort) return
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
        word={t('link.do')}
        act={() => linkAccount({token, passphrase, ...made, about: t('link.do')})}
        trouble={(of) => (of === 'not_found' || of === 'expired' || of === 'unauthorized' ? t('link.used') : troubleWords(t, of))}
        onBack={() => setMade(undefined)}
      />
    )
  return (
    <form class="sheet" onSubmit={(event) => void start(event)}>
      <p>
        {t('link.why')} <code>creo account invite trader</code>
      </p>
      <Field
        label={t('link.token')}
        value={token}
        maxLength={TOKEN_LENGTH_MAX}
        onInput={setToken}
        problem={isTried && isWrong ? t('link.wrong') : undefined}
      />
      <Field
        label={t('account.passphrase.new')}
        isSecret
        autoComplete="new-password"
        maxLength={PASSPHRASE_MOST}
        value={passphrase}
        onInput={setPassphrase}
        problem={isTried && isShort ? t('account.passphrase.short', {count: PASSPHRASE_LEAST}) : undefined}
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
