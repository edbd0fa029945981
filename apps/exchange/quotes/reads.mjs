/** The coordinator's public reads, each address at most once in a while however many people ask. */
import {gzipSync} from 'node:zlib'

const FRESH_MS = 1_000
/** What is named by its digest never changes; what the coordinator signed with it is believed for a minute. */
const FRESH_PICTURE_MS = 30_000
const ENTRIES_MAX = 1_000
const ANSWER_TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 2 * 2 ** 20
/** What is kept of answers in all. */
const KEPT_BYTES_MAX = 32 * 2 ** 20
const PATH_LENGTH_MAX = 500
/** Below it, packing saves nothing. */
const PACKED_FROM_BYTES = 600
/** Asks the coordinator to sign its answer, with which this can be believed whoever hosts it (docs/PROTOCOL.md). */
const ACCEPT_SIGNATURE = 'creo=("@status" "@method";req "@path";req "@query";req "content-digest");created;tag="creo-answer"'
const PROOF = ['content-digest', 'signature-input', 'signature']
const ORG = '[a-z][a-z0-9-]{1,19}'
const INCENTIVE = `${ORG}/[A-Z][A-Z0-9]{1,9}`
/** What the page reads; all of it is public. */
const READABLE = new RegExp(
  `^/v1/(?:network|time|accounts|incentives|offers|redemptions|nodes|leases|receipts|epochs|apps|gateways|swaps/quote|orders/ord_\\d{1,16}|pictures/sha256:[0-9a-f]{64}|redemptions/red_\\d{1,16}|nodes/node_[0-9a-f]{32}|incentives/${INCENTIVE}(?:/record)?|markets/${INCENTIVE}/(?:book|trades|candles|ticker)|accounts/[a-z0-9_-]{2,40}(?:/(?:balances|orders|redemptions|entries))?|apps/${ORG}/${ORG}(?:/spending)?)$`
)

/** What a reader is told: a status, a code that programs branch on, a sentence. */
export class ReadError extends Error {
  constructor(status, code, message) {
    super(message)
    this.status = status
    this.code = code
  }
}

export function createReads({url, nowMs}) {
  const entries = new Map()
  let keptBytes = 0

  /**
   * The answer at a path with its query, as `{status, body, packed, proof}`: at most a second old, of the sequence `after` or later, and where `isSigned` with
   * the coordinator's signature in `proof`. Who asks for the same while it is under way waits for the same. Nobody waits for a sequence that somebody else named: it may never come.
   */
  function read(path, after = 0, isSigned = false) {
    refuseStrange(path)
    const key = `${after} ${isSigned} ${path}`
    const known = entries.get(key)
    const isFresh =
      known !== undefined &&
      (known.size === undefined || nowMs() - known.atMs < (path.startsWith('/v1/pictures/') ? FRESH_PICTURE_MS : FRESH_MS))
    if (isFresh && !path.startsWith('/v1/time')) return known.answer
    drop(key)
    while (entries.size >= ENTRIES_MAX || keptBytes > KEPT_BYTES_MAX) drop(entries.keys().next().value)
    const entry = {atMs: nowMs(), size: undefined, answer: ask(new URL(path, url), after, isSigned)}
    entries.set(key, entry)
    const settle = (size) => {
      entry.size = size
      entry.atMs = nowMs()
      if (entries.get(key) === entry) keptBytes += size
    }
    const forget = () => {
      settle(0)
      if (entries.get(key) === entry) drop(key)
    }
    entry.answer.then(({status, body, packed}) => {
      // A sequence that had not come may have come by now.
      if (after > 0 && status !== 200) forget()
      else settle(body.length + (packed?.length ?? 0))
    }, forget)
    return entry.answer
  }

  function drop(key) {
    keptBytes -= entries.get(key)?.size ?? 0
    entries.delete(key)
  }

  return {
    read,
    /** What a path answers, parsed. @throws {ReadError} when it is not there */
    readJson: async (path, after) => {
      const {status, body} = await read(path, after)
      if (status === 200) return JSON.parse(body)
      throw new ReadError(status, 'unavailable', 'The coordinator did not answer as it should.')
    }
  }
}

function refuseStrange(path) {
  if (path.length <= PATH_LENGTH_MAX && READABLE.test(path.split('?', 1)[0])) return
  throw new ReadError(404, 'not_found', 'That is not read here.')
}

async function ask(url, after, isSigned) {
  const headers = {...(after > 0 && {'creo-after': String(after)}), ...(isSigned && {'accept-signature': ACCEPT_SIGNATURE})}
  try {
    const answer = await fetch(url, {headers, signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS), redirect: 'error'})
    const body = await bytesOf(answer)
    const proof = isSigned ? PROOF.flatMap((name) => (answer.headers.has(name) ? [[name, answer.headers.get(name)]] : [])) : []
    return {
      status: answer.status,
      body,
      proof: Object.fromEntries(proof),
      packed: body.length < PACKED_FROM_BYTES ? undefined : gzipSync(body)
    }
  } catch (error) {
    if (error instanceof ReadError) throw error
    throw new ReadError(502, 'unavailable', 'The coordinator cannot be reached; its markets go on when it is back.')
  }
}

async function bytesOf(answer) {
  const chunks = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) throw new ReadError(502, 'unavailable', 'The coordinator sent too much.')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
