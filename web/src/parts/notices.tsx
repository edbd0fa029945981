import {notices, waiting} from '../account/act.ts'
import {useStore} from '../store.ts'
import {useWords} from '../words.ts'
import {troubleWords} from './trouble-words.ts'

/** What became of commands whose answer came late, and how many still wait for one. */
export function Notices() {
  const {t} = useWords()
  const told = useStore(notices)
  const waits = useStore(waiting)
  return (
    <div class="notices" role="status">
      {waits.length > 0 && <p class="warn">{t('act.waiting', {count: waits.length})}</p>}
      {told.map(({about, code}, place) => (
        <p key={`${place}${about}`} class={code === undefined ? 'good' : 'trouble'}>
          {code === undefined ? t('act.done', {about}) : t('act.notDone', {about, why: troubleWords(t, code)})}{' '}
          <button type="button" class="plain" onClick={() => notices.set(told.filter((one) => one !== told[place]))}>
            {t('act.dismiss')}
          </button>
        </p>
      ))}
    </div>
  )
}
