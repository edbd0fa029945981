/** Reads the coordinator's public API, each address at most once a second however many people watch. */

const FRESH_MS = 1_000
const ENTRIES_MAX = 200
const ANSWER_TIMEOUT_MS = 5_000
const ANSWER_BYTES_MAX = 2 * 2 ** 20
/** The shape of `org/CODE`: nothing else is put into an address. */
const INCENTIVE_ID = /^[a-z][a-z0-9-]{1,19}\/[A-Z][A-Z0-9]{1,9}$/

/** What a visitor is told: a status, a code that programs branch on, a sentence. */
export class MarketError extends Error {
  constructor(status, code, message) {
    super(message)
    this.status = status
    this.code = code
  }
}

export function createMarkets({url, nowMs}) {
  const cache = new Map()
  const read = (path) => {
    const known = cache.get(path)
    if (known && nowMs() - known.atMs < FRESH_MS) return known.answer
    if (cache.size >= ENTRIES_MAX) cache.delete(cache.keys().next().value)
    const answer = ask(new URL(path, url))
    cache.delete(path)
    cache.set(path, {atMs: nowMs(), answer})
    return answer
  }
  return {
    incentives: async () => (await read('/v1/incentives')).incentives,
    book: async (id) => read(`/v1/markets/${checked(id)}/book`),
    offers: async (id) => (await read(`/v1/offers?incentive=${checked(id)}`)).offers,
    trades: async (id) => (await read(`/v1/markets/${checked(id)}/trades`)).trades
  }
}

function checked(id) {
  if (INCENTIVE_ID.test(id)) return id
  throw new MarketError(404, 'not_found', 'There is no such market.')
}

async function ask(url) {
  let response
  try {
    response = await fetch(url, {signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS), redirect: 'error'})
  } catch {
    throw new MarketError(502, 'unavailable', 'The coordinator cannot be reached; its markets go on when it is back.')
  }
  const text = await readText(response)
  if (response.status === 404) throw new MarketError(404, 'not_found', 'There is no such market.')
  if (!response.ok) throw new MarketError(502, 'unavailable', 'The coordinator did not answer as it should.')
  return JSON.parse(text)
}

async function readText(response) {
  const chunks = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) throw new MarketError(502, 'unavailable', 'The coordinator sent too much.')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
