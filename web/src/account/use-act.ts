import {useEffect, useRef, useState} from 'preact/hooks'
import type {WireCommandBody} from '../../../src/app-client/client.ts'
import {act, type Outcome as Ended} from './act.ts'

/** `late`: nobody answered, so nobody knows yet whether it was done; it is sent again by itself. */
export type Outcome = Ended | {readonly status: 'late'}

/** One command of a form: pressed twice, or again before it is known whether it was done, it is one; and what became of it is said. */
export function useAct(): {
  readonly isBusy: boolean
  readonly outcome: Outcome | undefined
  /** Undefined when another is under way, or when its answer comes to a form that is no longer there. */
  readonly run: (body: WireCommandBody | ((nowMs: number) => WireCommandBody), about: string) => Promise<Ended | undefined>
  readonly clear: () => void
} {
  const busy = useRef(false)
  const gone = useRef(false)
  const [isBusy, setBusy] = useState(false)
  const [outcome, setOutcome] = useState<Outcome>()
  useEffect(() => {
    gone.current = false
    return () => {
      gone.current = true
    }
  }, [])
  const run = async (body: WireCommandBody | ((nowMs: number) => WireCommandBody), about: string): Promise<Ended | undefined> => {
    if (busy.current) return undefined
    busy.current = true
    setBusy(true)
    setOutcome(undefined)
    const came = await act(body, {about, onLate: () => setOutcome({status: 'late'})})
    busy.current = false
    setBusy(false)
    setOutcome(came)
    return gone.current ? undefined : came
  }
  return {isBusy, outcome, run, clear: () => setOutcome((before) => (before?.status === 'late' ? before : undefined))}
}
