import {useRef, useState} from 'preact/hooks'
import type {AppliedCommand, WireCommandBody} from '../../../src/app-client/client.ts'
import {act, newWish} from './act.ts'

/** `late`: nobody answered, so nobody knows yet whether it was done; it is sent again by itself. */
export type Outcome =
  | {readonly status: 'done'; readonly applied: AppliedCommand}
  | {readonly status: 'refused'; readonly code: string; readonly message: string}
  | {readonly status: 'late'}

/** As the outbox keeps what it sends (src/app-client/network-http.ts); `offline` is the page's own. */
const UNKNOWN: ReadonlySet<string> = new Set([
  'unavailable',
  'timeout',
  'overloaded',
  'bad_gateway',
  'verification_failed',
  'rate_limited',
  'interrupted',
  'payload_too_large',
  'internal',
  'failed',
  'no_instance',
  'reward_pool_empty',
  'unhealthy',
  'asset_tampered',
  'loop_detected',
  'offline'
])

/** One command of a form: pressed twice it is one, and what became of it is said once. */
export function useAct(): {
  readonly isBusy: boolean
  readonly outcome: Outcome | undefined
  readonly run: (body: WireCommandBody, about: string) => Promise<Outcome | undefined>
  readonly clear: () => void
} {
  const wish = useRef<string | undefined>(undefined)
  const busy = useRef(false)
  const [isBusy, setBusy] = useState(false)
  const [outcome, setOutcome] = useState<Outcome>()
  const run = async (body: WireCommandBody, about: string): Promise<Outcome | undefined> => {
    if (busy.current) return undefined
    busy.current = true
    setBusy(true)
    setOutcome(undefined)
    wish.current ??= newWish()
    const came = await attempt(body, {wish: wish.current, about})
    wish.current = undefined
    busy.current = false
    setBusy(false)
    setOutcome(came)
    return came
  }
  return {isBusy, outcome, run, clear: () => setOutcome(undefined)}
}

async function attempt(body: WireCommandBody, told: {readonly wish: string; readonly about: string}): Promise<Outcome> {
  try {
    return {status: 'done', applied: await act(body, told)}
  } catch (error) {
    const {code, message = ''} = error as {readonly code?: string; readonly message?: string}
    return code !== undefined && UNKNOWN.has(code) ? {status: 'late'} : {status: 'refused', code: code ?? 'internal', message}
  }
}
