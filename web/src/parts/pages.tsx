import type {ComponentChildren} from 'preact'
import {useState} from 'preact/hooks'
import {usePulse} from '../data/live.ts'
import {useSignedRead} from '../data/use-read.ts'
import {useWords} from '../words.ts'
import {Read} from './read-state.tsx'

const FIRST_EVERY_MS = 3_000
/** What is older changes less, and there may be much of it. */
const OTHERS_EVERY_MS = 15_000

interface Page {
  readonly next?: string | undefined
}

interface Place {
  readonly isFirst: boolean
  readonly isLast: boolean
}

interface PagesProps<T extends Page> {
  /** With its limit, and without a cursor. */
  readonly path: string
  readonly schema: {parse(value: unknown): T}
  readonly lines?: number
  readonly children: (page: T, place: Place) => ComponentChildren
}

/** A list of which a page is read at a time, the next one when it is asked for; each as the coordinator signed it. */
export function Pages<T extends Page>(props: PagesProps<T>) {
  const [cursors, setCursors] = useState<readonly string[]>([''])
  return (
    <>
      {cursors.map((cursor, place) => (
        <OnePage
          {...props}
          key={cursor}
          cursor={cursor}
          isFirst={place === 0}
          onMore={place === cursors.length - 1 ? (next) => setCursors([...cursors, next]) : undefined}
        />
      ))}
    </>
  )
}

function OnePage<T extends Page>({
  path,
  schema,
  lines = 3,
  children,
  cursor,
  isFirst,
  onMore
}: PagesProps<T> & {
  readonly cursor: string
  readonly isFirst: boolean
  readonly onMore: ((next: string) => void) | undefined
}) {
  const {t} = useWords()
  const news = usePulse(isFirst ? FIRST_EVERY_MS : OTHERS_EVERY_MS)
  const read = useSignedRead(isFirst ? path : `${path}&cursor=${encodeURIComponent(cursor)}`, schema, news)
  return (
    <Read of={read} lines={lines}>
      {(page) => (
        <>
          {children(page, {isFirst, isLast: page.next === undefined})}
          {page.next !== undefined && onMore !== undefined && (
            <p>
              <button type="button" onClick={() => onMore(page.next ?? '')}>
                {t('read.older')}
              </button>
            </p>
          )}
        </>
      )}
    </Read>
  )
}
