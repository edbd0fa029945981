import {useEffect, useState} from 'preact/hooks'
import type {AuctionView} from '../../../src/core/protocol/api.ts'
import {formatClock, formatSpan} from '../format.ts'
import {useWords} from '../words.ts'

const SECOND_MS = 1000

/** How a market trades while it does not trade as orders come: why, until when, and how long that still is. */
export function Phase({auction}: {readonly auction: AuctionView | undefined}) {
  const {t, language} = useWords()
  return (
    <div role="status">
      {auction && (
        <p class="warn phase">
          {t(`phase.${auction.kind}`, {time: formatClock(auction.endsAtMs, language)})} <Left untilMs={auction.endsAtMs} />
        </p>
      )}
    </div>
  )
}

/** Not read out each second: the time at which it ends stands before it. */
function Left({untilMs}: {readonly untilMs: number}) {
  const {t, language} = useWords()
  const [nowMs, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), SECOND_MS)
    return () => clearInterval(timer)
  }, [])
  return (
    <small aria-hidden="true">{untilMs > nowMs ? t('phase.left', {span: formatSpan(untilMs - nowMs, language)}) : t('phase.soon')}</small>
  )
}
