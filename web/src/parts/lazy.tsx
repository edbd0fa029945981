import type {ComponentType} from 'preact'
import {useEffect, useState} from 'preact/hooks'
import {useWords} from '../words.ts'

type Page = ComponentType<{readonly rest: readonly string[]}>

/**
 * A page whose script is fetched when it is first shown. What fails twice is fetched with all of the page anew: since it was loaded another one may have been
 * deployed, which has other files, and some browsers never ask again for a script that they did not get.
 */
export function Lazy({load, rest}: {readonly load: () => Promise<Page>; readonly rest: readonly string[]}) {
  const {t} = useWords()
  const [Shown, setShown] = useState<Page>()
  const [isGone, setGone] = useState(false)
  const [turn, setTurn] = useState(0)
  useEffect(() => {
    setGone(false)
    load().then(
      (page) => setShown(() => page),
      () => setGone(true)
    )
  }, [load, turn])
  if (Shown !== undefined) return <Shown rest={rest} />
  if (!isGone) return <p class="loading">{t('read.loading')}</p>
  return (
    <section class="empty" role="alert">
      <p>{t('trouble.offline')}</p>
      <button type="button" onClick={() => (turn === 0 ? setTurn(1) : location.reload())}>
        {t('read.again')}
      </button>
    </section>
  )
}
