import {useState} from 'preact/hooks'
import {CreateAccount} from '../account/create-account.tsx'
import {LinkAccount} from '../account/link-account.tsx'
import {NetworkId} from '../account/network-id.tsx'
import {Passphrase} from '../account/passphrase.tsx'
import {RestoreAccount} from '../account/restore-account.tsx'
import {forget, lock, useSession} from '../account/session.ts'
import {Words} from '../account/words-list.tsx'
import {useWords} from '../words.ts'

/** Whose page this is: make an account, bring one back, open its key, close it. */
export function Account() {
  const {t} = useWords()
  const session = useSession()
  const [way, setWay] = useState<'create' | 'restore' | 'link'>('create')
  if (session !== undefined)
    return session.key === undefined ? <Locked name={session.name} /> : <Open name={session.name} account={session.account} />
  return (
    <section class="narrow">
      <h1>{t('account.title')}</h1>
      <p class="lead">{t('account.lead')}</p>
      <fieldset class="segments wraps">
        <legend class="unseen">{t('account.title')}</legend>
        {(['create', 'restore', 'link'] as const).map((one) => (
          <label key={one}>
            <input type="radio" name="way" checked={one === way} onChange={() => setWay(one)} />
            <span>{t(`account.${one}`)}</span>
          </label>
        ))}
      </fieldset>
      {way === 'create' ? <CreateAccount /> : way === 'restore' ? <RestoreAccount /> : <LinkAccount />}
      <NetworkId />
    </section>
  )
}

function Locked({name}: {readonly name: string}) {
  const {t} = useWords()
  return (
    <section class="narrow">
      <h1>{name}</h1>
      <p class="lead">{t('account.locked')}</p>
      <Passphrase onOpen={() => undefined} word={t('account.unlock')} />
      <NetworkId />
      <Forget />
    </section>
  )
}

function Open({name, account}: {readonly name: string; readonly account: string}) {
  const {t} = useWords()
  const [words, setWords] = useState<string>()
  return (
    <section class="narrow">
      <h1>{name}</h1>
      <p class="faint">
        <code class="long">{account}</code>
      </p>
      <p>{t('account.open')}</p>
      <div class="row">
        <a class="button main" href="#/portfolio">
          {t('nav.portfolio')}
        </a>
        <button type="button" onClick={lock}>
          {t('account.lock')}
        </button>
      </div>
      <h2>{t('words.title')}</h2>
      {words === undefined ? <Passphrase onOpen={setWords} word={t('words.show')} /> : <Words words={words} />}
      <NetworkId />
      <Forget />
    </section>
  )
}

/** Takes the key out of this browser; asked twice, since only the words bring it back. */
function Forget() {
  const {t} = useWords()
  const [isAsked, setAsked] = useState(false)
  return (
    <div class="forget">
      {isAsked ? (
        <>
          <p>{t('account.forget.sure')}</p>
          <div class="row">
            <button type="button" class="danger" onClick={forget}>
              {t('account.forget.yes')}
            </button>
            <button type="button" onClick={() => setAsked(false)}>
              {t('account.forget.no')}
            </button>
          </div>
        </>
      ) : (
        <button type="button" class="plain" onClick={() => setAsked(true)}>
          {t('account.forget')}
        </button>
      )}
    </div>
  )
}
