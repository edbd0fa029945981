import {useState} from 'preact/hooks'
import {codeOf} from '../parts/trouble-words.ts'
import {useWords} from '../words.ts'
import {takeUpLater} from './act.ts'
import {Words} from './words-list.tsx'

/** The words of a new key, and what they are for only once they were written down. */
export function ConfirmWords({
  words,
  word,
  act,
  trouble,
  onBack
}: {
  readonly words: string
  /** On the button. */
  readonly word: string
  readonly act: () => Promise<void>
  readonly trouble: (code: string) => string
  readonly onBack: () => void
}) {
  const {t} = useWords()
  const [isWritten, setWritten] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const [code, setCode] = useState<string>()
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    if (!isWritten || isBusy) return
    setBusy(true)
    setCode(undefined)
    try {
      await act()
    } catch (error) {
      setCode(codeOf(error))
      setBusy(false)
      takeUpLater()
    }
  }
  return (
    <form class="sheet" onSubmit={(event) => void submit(event)}>
      <h2>{t('words.title')}</h2>
      <Words words={words} />
      <label class="check">
        <input type="checkbox" checked={isWritten} onChange={(event) => setWritten(event.currentTarget.checked)} />
        <span>{t('words.written')}</span>
      </label>
      <div role="status">{code !== undefined && <p class="trouble">{trouble(code)}</p>}</div>
      <div class="row">
        <button type="submit" class="main" disabled={!isWritten || isBusy}>
          {isBusy ? t('act.busy') : word}
        </button>
        <button type="button" onClick={onBack} disabled={isBusy}>
          {t('account.back')}
        </button>
      </div>
    </form>
  )
}
