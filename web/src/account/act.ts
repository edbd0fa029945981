import type {AppliedCommand, Network, Outbox, Settled, WaitingCommand, WireCommandBody} from '../../../src/app-client/client.ts'
import {network} from '../data/network.ts'
import {sawSequence} from '../data/quotes.ts'
import {codeOf} from '../parts/trouble-words.ts'
import {keptStore} from '../remember.ts'
import {createStore} from '../store.ts'
import {finishBegun, hasBegun} from './begun.ts'
import {session} from './session.ts'

/** Commands of the person: signed once, kept until there is an answer, done once. */

/** What became of a command in the end. */
export type Outcome =
  | {readonly status: 'done'; readonly applied: AppliedCommand}
  | {readonly status: 'refused'; readonly code: string; readonly message: string}

/** What has become of commands whose answer came late, newest last; shown until it is dismissed. */
export const notices = createStore<readonly {readonly about: string; readonly code: string | undefined}[]>([])
/** Commands of which nobody knows yet whether they were done. */
export const waiting = createStore<readonly string[]>([])

const NOTICES_MAX = 5
const RESEND_FROM_MS = 2_000
const RESEND_UP_TO_MS = 30_000

interface Late {
  readonly command: WaitingCommand
  readonly end: (outcome: Outcome) => void
}

/** Of this tab, by what names the wish. */
const late = new Map<string, Late>()
let next: ReturnType<typeof setTimeout> | undefined
let resendMs = RESEND_FROM_MS

/**
 * Signs, and goes on until there is an answer: a lost one is asked for again by itself, by another tab, or by the page when it is loaded again.
 * @param body of what is wished; by the network's time where it names one.
 * @param about in the person's words, for when the answer comes late.
 * @param onLate is told when nobody answered, so that nobody knows yet whether it was done: it is kept.
 */
export async function act(
  body: WireCommandBody | ((nowMs: number) => WireCommandBody),
  {about, onLate}: {readonly about: string; readonly onLate: () => void}
): Promise<Outcome> {
  const now = session.get()
  if (now?.key === undefined) return {status: 'refused', code: 'unauthorized', message: 'The key is locked.'}
  try {
    const out = await outbox()
    const net = await network()
    const wanted = typeof body === 'function' ? body(await net.nowMs()) : body
    const wish = `page:${crypto.randomUUID()}`
    const command = {about, command: await net.sign({account: now.account, key: now.key}, wanted, {idempotencyKey: wish})}
    const outcome = await attempt(out, net, command).finally(() => showWaiting(out))
    if (outcome !== undefined) return outcome
    onLate()
    return await new Promise((end) => {
      late.set(wish, {command, end})
      resendLater()
    })
  } catch (error) {
    return refusedBy(error)
  }
}

/** @returns undefined while nobody knows, and it is kept. @throws {CreoError} what it was refused with, or why it could not be kept. */
async function attempt(out: Outbox, net: Network, command: WaitingCommand): Promise<Outcome | undefined> {
  const wish = command.command.idempotencyKey
  const sent = out.send(net, command)
  const isKept = keeps(out, wish)
  try {
    return doneBy(await sent)
  } catch (error) {
    // No longer kept, and nobody answered: another tab has the answer, and so will this one.
    if (isKept && (keeps(out, wish) || (await isUnknown(error)))) return undefined
    throw error
  }
}

/** Sends again what has no answer yet, now and for as long as there is such a command. */
export async function takeUp(): Promise<void> {
  clearTimeout(next)
  if (session.get() === undefined && !hasBegun()) return
  const out = await outbox().catch(() => undefined)
  if (out === undefined) return resendLater()
  showWaiting(out)
  if (!isMore(out)) return
  try {
    const net = await network()
    const begun = await finishBegun(net)
    if (begun !== undefined) notices.set([...notices.get(), begun].slice(-NOTICES_MAX))
    tell(await out.resend(net))
    for (const [wish, {command}] of late) if (!keeps(out, wish)) await tellAgain(out, command)
  } catch {
    // Nobody answers: the commands are kept, and the next turn asks again.
  }
  showWaiting(out)
  if (isMore(out)) resendLater()
  else resendMs = RESEND_FROM_MS
}

/** For what was begun and has no answer. */
export function takeUpLater(): void {
  if (hasBegun()) resendLater()
}

function isMore(out: Outbox): boolean {
  return hasBegun() || late.size > 0 || (session.get() !== undefined && out.waiting().length > 0)
}

function resendLater(): void {
  clearTimeout(next)
  next = setTimeout(() => void takeUp(), resendMs)
  resendMs = Math.min(2 * resendMs, RESEND_UP_TO_MS)
}

/** Of a command whose answer another tab has taken. */
async function tellAgain(out: Outbox, command: WaitingCommand): Promise<void> {
  try {
    tell([{status: 'applied', waiting: command, applied: await out.send(await network(), command)}])
  } catch (error) {
    if (await isUnknown(error)) throw error
    tell([{status: 'refused', waiting: command, error: error as Extract<Settled, {status: 'refused'}>['error']}])
  }
}

function tell(settled: readonly Settled[]): void {
  for (const one of settled) {
    const wish = one.waiting.command.idempotencyKey
    late.get(wish)?.end(one.status === 'applied' ? doneBy(one.applied) : refusedBy(one.error))
    late.delete(wish)
    if (one.status === 'applied') sawSequence(one.applied.seq)
  }
  const told = settled.map((one) => ({about: one.waiting.about, code: one.status === 'applied' ? undefined : one.error.code}))
  notices.set([...notices.get(), ...told].slice(-NOTICES_MAX))
}

function doneBy(applied: AppliedCommand): Outcome {
  sawSequence(applied.seq)
  return {status: 'done', applied}
}

function refusedBy(error: unknown): Outcome {
  const {message = ''} = error as {readonly message?: string}
  return {status: 'refused', code: codeOf(error), message}
}

async function isUnknown(error: unknown): Promise<boolean> {
  const {UNKNOWN} = await import('../../../src/app-client/network-http.ts')
  return UNKNOWN.has(String((error as {readonly code?: unknown}).code))
}

function keeps(out: Outbox, wish: string): boolean {
  return out.waiting().some(({command}) => command.idempotencyKey === wish)
}

async function outbox(): Promise<Outbox> {
  const {Outbox: Outboxes} = await import('../../../src/app-client/client.ts')
  return new Outboxes(keptStore(), `creo.outbox.${session.get()?.account ?? ''}`)
}

function showWaiting(out: Outbox): void {
  const abouts = out.waiting().map(({about}) => about)
  if (abouts.join('\n') !== waiting.get().join('\n')) waiting.set(abouts)
}
