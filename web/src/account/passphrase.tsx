import {useState} from 'preact/hooks'
import {Field} from '../parts/field.tsx'
import {codeOf, troubleWords} from '../parts/trouble-words.ts'
import {useWords} from '../words.ts'
import {unlock} from './session.ts'

/** Opens the key that this browser keeps. */
export function Passphrase({onOpen, word}: {readonly onOpen: (words: string) => void; readonly word: string}) {
  const {t} = useWords()
  const [passphrase, setPassphrase] = useState('')
  const [isBusy, setBusy] = useState(false)
  const [code, setCode] = useState<string>()
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setCode(undefined)
    try {
      onOpen((await unlock(passphrase)).words)
      setPassphrase('')
    } catch (error) {
      setCode(codeOf(error))
    }
    setBusy(false)
  }
  return (
    <form class="sheet" onSubmit={(event) => void submit(event)}>
      <Field
        label={t('account.passphrase')}
        isSecret
        autoComplete="current-password"
        maxLength={200}
        value={passphrase}
        onInput={setPassphrase}
        problem={code === undefined ? undefined : code === 'unauthorized' ? t('account.wrongPassphrase') : troubleWords(t, code)}
      />
      <button type="submit" class="main" disabled={isBusy}>
        {isBusy ? t('account.opening') : word}
      </button>
    </form>
  )
}
