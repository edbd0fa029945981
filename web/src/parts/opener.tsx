import type {ComponentChildren} from 'preact'
import {useSession} from '../account/session.ts'
import {useWords} from '../words.ts'

/** What only the holder of a key can do; without one, the way to it. */
export function Opener({children}: {readonly children: ComponentChildren}) {
  const {t} = useWords()
  const session = useSession()
  if (session?.key !== undefined) return <>{children}</>
  return (
    <a class="button main wide" href="#/account">
      {t(session === undefined ? 'opener.none' : 'opener.locked')}
    </a>
  )
}
