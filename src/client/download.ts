import {createWriteStream} from 'node:fs'
import {rm, stat} from 'node:fs/promises'
import {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {setTimeout as wait} from 'node:timers/promises'
import {CreoError, isCreoError} from '../core/errors.ts'

/** Of one file; a cut one is taken up where it ended. */
const ATTEMPTS_MAX = 5
const PAUSE_MS = 500
/** Without a byte for so long, a connection counts as cut. */
const SILENCE_MAX_MS = 60_000
const HTTP_OK = 200
const HTTP_PARTIAL = 206
const HTTP_RANGE_NOT_SATISFIABLE = 416
const HTTP_TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504])

/** The body of a small answer. @throws {CreoError} `unavailable`; `not_found`; `payload_too_large` above `bytesMax`. */
export async function readAnswer(url: string, bytesMax: number, signal: AbortSignal): Promise<Buffer> {
  return await persistently(url, signal, async (silence) => {
    const answer = await ask(url, {}, silence.signal)
    const chunks: Uint8Array[] = []
    for await (const chunk of limited(answer, url, bytesMax, silence)) chunks.push(chunk)
    return Buffer.concat(chunks)
  })
}

/**
 * Fetches an address into a file, or the rest of it when a part is there, and notes how many bytes are.
 * @throws {CreoError} `unavailable` when it is cut again and again; `not_found`; `payload_too_large` above `bytesMax`.
 */
export async function download(
  url: string,
  path: string,
  options: {readonly bytesMax: number; readonly note: (bytes: number) => void; readonly signal: AbortSignal}
): Promise<void> {
  await persistently(url, options.signal, async (silence) => {
    const there = (await stat(path).catch(() => undefined))?.size ?? 0
    const answer = await ask(url, there > 0 ? {range: `bytes=${there}-`} : {}, silence.signal)
    if (answer.status === HTTP_RANGE_NOT_SATISFIABLE) {
      await answer.body?.cancel()
      // All of it is there, or more: what it should be decides which.
      return
    }
    const goesOn = answer.status === HTTP_PARTIAL && answer.headers.get('content-range')?.startsWith(`bytes ${there}-`) === true
    const before = goesOn ? there : 0
    if (answer.status === HTTP_PARTIAL && !goesOn) {
      await answer.body?.cancel()
      await rm(path, {force: true})
      throw new Error('the server went on elsewhere than where it was asked to')
    }
    let bytes = before
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of limited(answer, url, options.bytesMax - before, silence)) {
        bytes += chunk.length
        options.note(bytes)
        yield chunk
      }
    }
    await pipeline(Readable.from(counted()), createWriteStream(path, {flags: goesOn ? 'a' : 'w', mode: 0o600}))
    const expected = Number(answer.headers.get('content-length') ?? Number.NaN)
    if (Number.isFinite(expected) && bytes - before < expected) throw new Error('the connection was cut')
  })
}

interface Silence {
  readonly signal: AbortSignal
  /** A byte came. */
  readonly broken: () => void
}

/** Does it again, a little later each time, after whatever may pass: a cut, a silence, a server that is busy. */
async function persistently<T>(url: string, signal: AbortSignal, work: (silence: Silence) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(new Error('nothing came for a minute')), SILENCE_MAX_MS)
    try {
      return await work({signal: AbortSignal.any([signal, controller.signal]), broken: () => timer.refresh()})
    } catch (cause) {
      signal.throwIfAborted()
      if (isFinal(cause)) throw cause
      if (attempt >= ATTEMPTS_MAX) throw unavailable(url, cause)
    } finally {
      clearTimeout(timer)
    }
    await wait(PAUSE_MS * attempt, undefined, {signal})
  }
}

/** What does not become better by asking again: what the server says for good, and what the disk says. */
function isFinal(cause: unknown): boolean {
  if (isCreoError(cause)) return true
  return (
    cause instanceof Error && 'syscall' in cause && ['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS'].includes(String('code' in cause && cause.code))
  )
}

function unavailable(url: string, cause: unknown): CreoError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const why = inner instanceof Error ? inner.message : String(inner)
  return new CreoError('unavailable', `${url} could not be fetched: ${why}`, {
    hint: 'Check the address and the connection, then run this again: it goes on where it was cut.',
    cause
  })
}

async function ask(url: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response> {
  const answer = await fetch(url, {headers: {...headers, 'accept-encoding': 'identity'}, signal, redirect: 'follow'})
  if ([HTTP_OK, HTTP_PARTIAL, HTTP_RANGE_NOT_SATISFIABLE].includes(answer.status)) return answer
  await answer.body?.cancel()
  if (HTTP_TRANSIENT.has(answer.status)) throw new Error(`the server answers ${answer.status}`)
  throw new CreoError('not_found', `${url} is not there: the server answers ${answer.status}.`, {hint: 'Check the address.'})
}

async function* limited(answer: Response, url: string, bytesMax: number, silence: Silence): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    silence.broken()
    bytes += chunk.length
    if (bytes > bytesMax) throw new CreoError('payload_too_large', `What ${url} answers is larger than it may be.`)
    yield chunk
  }
}
