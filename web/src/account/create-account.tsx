import {useState} from 'preact/hooks'
import {nameSchema} from '../../../src/core/protocol/scalars.ts'
import {Field} from '../parts/field.tsx'
import {troubleWords} from '../parts/trouble-words.ts'
import {useWords} from '../words.ts'
import {createAccount, newKey} from './session.ts'
import {Words} from './words-list.tsx'

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
      setCode((error as {readonly code?: string}).code ?? 'internal')
    }
  }
  if (made !== undefined) return <Confirm name={name} passphrase={passphrase} made={made} onBack={() => setMade(undefined)} />
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

function Confirm({
  name,
  passphrase,
  made,
  onBack
}: {
  readonly name: string
  readonly passphrase: string
  readonly made: Made
  readonly onBack: () => void
}) {
  const {t} = useWords()
  const [isWritten, setWritten] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const [code, setCode] = useState<string>()
  const create = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (!isWritten || isBusy) return
    setBusy(true)
    setCode(undefined)
    try {
      await createAccount({name, passphrase, ...made})
    } catch (error) {
      setCode((error as {readonly code?: string}).code ?? 'internal')
      setBusy(false)
    }
  }
  return (
    <form class="sheet" onSubmit={(event) => void create(event)}>
      <h2>{t('words.title')}</h2>
      <Words words={made.words} />
      <label class="check">
        <input type="checkbox" checked={isWritten} onChange={(event) => setWritten(event.currentTarget.checked)} />
        <span>{t('words.written')}</span>
      </label>
      <div role="status">
        {code !== undefined && <p class="trouble">{code === 'conflict' ? t('account.name.taken', {name}) : troubleWords(t, code)}</p>}
      </div>
      <div class="row">
        <button type="submit" class="main" disabled={!isWritten || isBusy}>
          {isBusy ? t('act.busy') : t('account.do', {name})}
        </button>
        <button type="button" onClick={onBack} disabled={isBusy}>
          {t('account.back')}
        </button>
      </div>
    </form>
  )
}
