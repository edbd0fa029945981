/** Follows the coordinator's events over one connection, and goes on after the last one whenever it is cut. */
import {setTimeout as wait} from 'node:timers/promises'

const TOPICS = 'trades,phases,groups,books'
/** Of all accounts: the coordinator looks each order up to tell it, so they are asked for only where somebody watches an account. */
const ORDERS = ',orders'
/** The coordinator says something every 15 s. */
const SILENCE_MAX_MS = 45_000
const RETRY_FROM_MS = 500
const RETRY_UP_TO_MS = 15_000
const EVENT_CHARACTERS_MAX = 256 * 2 ** 10

/**
 * Tells `onEvent({name, id, data})` of each, until `signal` says enough; `onLine(isUp)` when the line comes up or breaks. Orders are among them from when
 * `orders`, another signal, says so.
 */
export async function follow({url, onEvent, onLine, signal, orders, random = Math.random}) {
  let lastId = ''
  let pauseMs = RETRY_FROM_MS
  while (!signal.aborted) {
    const hasOrders = orders.aborted
    const until = hasOrders ? signal : AbortSignal.any([signal, orders])
    try {
      for await (const event of eventsOf(new URL(`/v1/events?topic=${TOPICS}${hasOrders ? ORDERS : ''}`, url), lastId, until)) {
        onLine(true)
        pauseMs = RETRY_FROM_MS
        if (event.id !== undefined) lastId = String(event.id)
        onEvent(event)
      }
    } catch {
      // Cut, refused or silent: all the same, it is asked for again below.
    }
    if (signal.aborted) return
    if (orders.aborted && !hasOrders) continue
    onLine(false)
    await wait(pauseMs * (0.5 + random()), undefined, {signal}).catch(() => undefined)
    pauseMs = Math.min(pauseMs * 2, RETRY_UP_TO_MS)
  }
}

async function* eventsOf(url, lastId, signal) {
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(), SILENCE_MAX_MS)
  try {
    const answer = await fetch(url, {
      headers: {accept: 'text/event-stream', ...(lastId === '' ? {} : {'last-event-id': lastId})},
      signal: AbortSignal.any([signal, silence.signal]),
      redirect: 'error'
    })
    if (answer.status !== 200 || answer.body === null) throw new Error(`status ${answer.status}`)
    let text = ''
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      timer.refresh()
      text += piece
      const blocks = text.split('\n\n')
      text = blocks.pop()
      if (text.length > EVENT_CHARACTERS_MAX) throw new Error('an event without an end')
      yield* blocks.map(readEvent)
    }
  } finally {
    clearTimeout(timer)
    silence.abort()
  }
}

/** `{name, id, data}`; without a name where only an id came. */
export function readEvent(block) {
  const fields = {}
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, '')
  }
  return {
    name: fields.event,
    id: fields.id === undefined || fields.id === '' ? undefined : Number(fields.id),
    data: fields.data === undefined ? undefined : JSON.parse(fields.data)
  }
}
