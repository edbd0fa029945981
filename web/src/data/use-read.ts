import {useEffect, useRef, useState} from 'preact/hooks'
import {ReadTrouble, readQuotes} from './quotes.ts'

/** What a part of the page shows: the last that was read stays while it is read again, and when that fails. */
export interface Reading<T> {
  readonly value: T | undefined
  readonly trouble: ReadTrouble | undefined
  readonly isReading: boolean
  readonly atMs: number | undefined
  readonly again: () => void
}

interface Schema<T> {
  parse(value: unknown): T
}

const KEPT_MAX = 100
/** By path, so that going back shows at once what was there. */
const kept = new Map<string, {readonly value: unknown; readonly atMs: number}>()

/** Reads a path, and again when `news` changes; of nothing where there is no path yet. */
export function useRead<T>(path: string | undefined, schema: Schema<T>, news: unknown = undefined): Reading<T> {
  return useReading(path, schema, {news, isSigned: false})
}

/** The same of what people decide by before they sign: only what the network's coordinator signed is shown. */
export function useSignedRead<T>(path: string | undefined, schema: Schema<T>, news: unknown = undefined): Reading<T> {
  return useReading(path, schema, {news, isSigned: true})
}

function useReading<T>(
  path: string | undefined,
  schema: Schema<T>,
  {news, isSigned}: {readonly news: unknown; readonly isSigned: boolean}
): Reading<T> {
  // What was not signed is not shown in the place of what is.
  const name = `${isSigned ? 'signed ' : ''}${path}`
  const [turn, setTurn] = useState(0)
  const [trouble, setTrouble] = useState<ReadTrouble>()
  const [isReading, setReading] = useState(true)
  const shape = useRef(schema)
  shape.current = schema
  useEffect(() => {
    if (path === undefined) return
    const stop = new AbortController()
    setReading(true)
    readQuotes(path, shape.current, {signal: stop.signal, isSigned}).then(
      (value) => {
        keep(name, value)
        setTrouble(undefined)
        setReading(false)
      },
      (error: unknown) => {
        if (stop.signal.aborted) return
        setTrouble(error instanceof ReadTrouble ? error : new ReadTrouble('internal', String(error)))
        setReading(false)
      }
    )
    return () => stop.abort()
  }, [path, turn, news])
  const last = kept.get(name)
  return {value: last?.value as T | undefined, trouble, isReading, atMs: last?.atMs, again: () => setTurn((before) => before + 1)}
}

function keep(path: string, value: unknown): void {
  kept.delete(path)
  kept.set(path, {value, atMs: Date.now()})
  const oldest = kept.keys().next().value
  if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest)
}
