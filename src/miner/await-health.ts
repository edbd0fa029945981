import type {Socket} from 'node:net'
import {setTimeout as delay} from 'node:timers/promises'
import {CreoError} from '../core/errors.ts'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {RuntimeInstance} from '../runtime/port.ts'
import {connectInstance} from './instance-socket.ts'

const TRY_TIMEOUT_MS = 5000
const PAUSE_FIRST_MS = 25
const PAUSE_MAX_MS = 1000
/** Of an answer no more is read than its first line. */
const STATUS_LINE_BYTES_MAX = 1024
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})[ \r]/

/** Resolves when the function takes requests: once it listens and, where its revision names a health path, answers that. */
export async function accepting(runtime: RuntimeInstance, {spec}: RevisionEntry, signal: AbortSignal): Promise<void> {
  await runtime.ready(signal)
  if (spec.health !== undefined) await awaitHealth(runtime, spec.health, signal)
}

/**
 * Asks an instance that listens for a path until it answers 2xx.
 * @throws {CreoError} `unhealthy` with the last answer when the signal fires first; `failed` when its process ends first.
 */
export async function awaitHealth(runtime: RuntimeInstance, path: string, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  const ended = runtime.exited.then(({exitCode}) => {
    throw new CreoError('failed', `The function ended with exit code ${exitCode} before GET ${path} was answered 2xx.`, {hint: 'creo logs'})
  })
  try {
    await Promise.race([askUntilHealthy(runtime.socketPath, path, AbortSignal.any([signal, over.signal])), ended])
  } finally {
    over.abort()
    ended.catch(() => undefined)
  }
}

async function askUntilHealthy(socketPath: string, path: string, signal: AbortSignal): Promise<void> {
  let last = 'nothing'
  for (let pauseMs = PAUSE_FIRST_MS; !signal.aborted; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
    const asked = statusOf(socketPath, path, AbortSignal.any([signal, AbortSignal.timeout(TRY_TIMEOUT_MS)]))
    // A question that was cut short by the end of the time says nothing.
    last = await asked.catch(() => (signal.aborted ? last : 'nothing'))
    if (/^2/.test(last)) return
    await delay(pauseMs, undefined, {signal}).catch(() => undefined)
  }
  throw new CreoError('unhealthy', `It listens, but GET ${path} was answered ${last}, and not 2xx.`, {
    hint: 'Answer it 2xx once the function can serve, or take health: out of creo.yaml.'
  })
}

/** The status that the function answers with; rejects when it answers no HTTP. */
async function statusOf(socketPath: string, path: string, signal: AbortSignal): Promise<string> {
  const socket = await connectInstance(socketPath)
  const close = (): void => void socket.destroy()
  signal.addEventListener('abort', close, {once: true})
  if (signal.aborted) close()
  try {
    socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: creo-health\r\nconnection: close\r\n\r\n`)
    return STATUS_LINE.exec(await firstBytes(socket))?.[1] ?? 'no HTTP'
  } finally {
    signal.removeEventListener('abort', close)
    close()
  }
}

async function firstBytes(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) {
    text += String(chunk)
    if (text.includes('\n') || text.length > STATUS_LINE_BYTES_MAX) break
  }
  return text
}
