import type {ComponentChildren} from 'preact'
import type {Outcome} from '../account/use-act.ts'
import {useWords} from '../words.ts'
import {troubleWords} from './trouble-words.ts'

/** What became of a command, in words; of one that was done, in those of the form. */
export function OutcomeWords({
  of,
  done
}: {
  readonly of: Outcome | undefined
  readonly done: (result: Readonly<Record<string, unknown>>) => ComponentChildren
}) {
  const {t} = useWords()
  return (
    <div class="outcome" role="status">
      {of?.status === 'done' && <p class="good">{done(of.applied.result)}</p>}
      {of?.status === 'late' && <p class="warn">{t('act.late')}</p>}
      {of?.status === 'refused' && (
        <p class="trouble">
          {troubleWords(t, of.code)}{' '}
          {!['insufficient_funds', 'volume_limit', 'unauthorized'].includes(of.code) && <small lang="en">{of.message}</small>}
        </p>
      )}
    </div>
  )
}
