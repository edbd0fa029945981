import type {ComponentChildren} from 'preact'
import type {Reading} from '../data/use-read.ts'
import {formatClock} from '../format.ts'
import {useWords} from '../words.ts'
import {troubleWords} from './trouble-words.ts'

/** What was read, in the form that `children` give it; before that a place for it, and when it fails why, beside what is left from before. */
export function Read<T>({
  of,
  lines = 4,
  children
}: {
  readonly of: Reading<T>
  readonly lines?: number
  readonly children: (value: T) => ComponentChildren
}) {
  const {t, language} = useWords()
  const {value, trouble, atMs, again} = of
  return (
    <>
      {trouble !== undefined && (
        <p class="trouble" role="alert">
          {troubleWords(t, trouble.code)} {value !== undefined && atMs !== undefined && t('read.old', {time: formatClock(atMs, language)})}{' '}
          <button type="button" class="plain" onClick={again}>
            {t('read.again')}
          </button>
        </p>
      )}
      {value !== undefined && children(value)}
      {value === undefined && trouble === undefined && <Waiting lines={lines} />}
    </>
  )
}

function Waiting({lines}: {readonly lines: number}) {
  const {t} = useWords()
  return (
    <div class="waiting">
      <span class="unseen">{t('read.loading')}</span>
      {Array.from({length: lines}, (_, place) => (
        <div class="waiting-line" key={place} />
      ))}
    </div>
  )
}
