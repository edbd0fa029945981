import type {AppliedCommand, Outbox, Settled, WireCommandBody} from '../../../src/app-client/client.ts'
import {network} from '../data/network.ts'
import {sawSequence} from '../data/quotes.ts'
import {createStore} from '../store.ts'
import {session} from './session.ts'

/** Commands of the person: signed once, kept until there is an answer, done once. */

/** What has become of commands whose answer came late, newest last; shown until it is dismissed. */
export const notices = createStore<readonly {readonly about: string; readonly code: string | undefined}[]>([])
/** Commands of which nobody knows yet whether they were done. */
export const waiting = createStore<readonly string[]>([])

const NOTICES_MAX = 5
const RESEND_EVERY_MS = 15_000

let next: ReturnType<typeof setTimeout> | undefined

/** What names one wish: the same for every attempt at it, another for the next. */
export function newWish(): string {
  return `page:${crypto.randomUUID()}`
}

/**
 * @param about in the person's words, for when the answer comes late.
 * @throws {CreoError} what it was refused with; `unavailable`, `timeout` and the like where nobody knows yet: then it is kept, and sent again by itself.
 */
export async function act(body: WireCommandBody, {wish, about}: {readonly wish: string; readonly about: string}): Promise<AppliedCommand> {
  const {CreoError} = await import('../../../src/app-client/client.ts')
  const now = session.get()
  if (now?.key === undefined) throw new CreoError('unauthorized', 'The key is locked.')
  const [net, out] = [await network(), await outbox()]
  const command = await net.sign({account: now.account, key: now.key}, body, {idempotencyKey: wish})
  try {
    const applied = await out.send(net, {about, command})
    sawSequence(applied.seq)
    return applied
  } finally {
    showWaiting(out)
  }
}

/** Sends again what has no answer yet, now and for as long as there is such a command. */
export async function takeUp(): Promise<void> {
  if (session.get() === undefined) return
  const out = await outbox()
  showWaiting(out)
  if (out.waiting().length === 0) return
  try {
    tell(await out.resend(await network()))
  } catch {
    // Nobody answers: the commands are kept, and the next turn asks again.
  }
  showWaiting(out)
  clearTimeout(next)
  if (out.waiting().length > 0) next = setTimeout(() => void takeUp(), RESEND_EVERY_MS)
}

function tell(settled: readonly Settled[]): void {
  for (const one of settled) if (one.status === 'applied') sawSequence(one.applied.seq)
  const told = settled.map((one) => ({about: one.waiting.about, code: one.status === 'applied' ? undefined : one.error.code}))
  notices.set([...notices.get(), ...told].slice(-NOTICES_MAX))
}

async function outbox(): Promise<Outbox> {
  const {Outbox: Outboxes} = await import('../../../src/app-client/client.ts')
  return new Outboxes(localStorage, `creo.outbox.${session.get()?.account ?? ''}`)
}

function showWaiting(out: Outbox): void {
  const abouts = out.waiting().map(({about}) => about)
  if (abouts.join('\n') !== waiting.get().join('\n')) waiting.set(abouts)
}
