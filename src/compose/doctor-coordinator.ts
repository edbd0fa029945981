import {CLOCK_SKEW_MAX_MS, networkViewSchema, SEEN_HEADER} from '../core/protocol/api.ts'
import {type Finding, failure} from './finding.ts'

const ANSWER_TIMEOUT_MS = 5000
const ANSWER_BYTES_MAX = 256 * 1024

/**
 * Asks the coordinator of the wanted or current network who it is. Without a stored network there is nothing to ask, which is
 * no fault.
 */
export async function checkCoordinator(
  options: {readonly env: Readonly<Record<string, string | undefined>>; readonly network?: string; readonly nowMs: number},
  signal: AbortSignal
): Promise<readonly Finding[]> {
  try {
    const {openUserConfig} = await import('../config/user-config.ts')
    const config = openUserConfig(options.env)
    if (options.network === undefined && config.read().currentContext === undefined) {
      return [
        {check: 'coordinator', verdict: 'warn', message: 'No network is joined yet.', hint: 'creo network join URL --id HASH, or creo up'}
      ]
    }
    const context = config.context(options.network)
    return await askCoordinator(context, options.nowMs, signal)
  } catch (error) {
    signal.throwIfAborted()
    return [failure('coordinator', error)]
  }
}

async function askCoordinator(
  context: {readonly name: string; readonly coordinatorUrl: string; readonly networkId: string; readonly coordinatorKey: string},
  nowMs: number,
  signal: AbortSignal
): Promise<readonly Finding[]> {
  const {request} = (await import('../client/undici-parts.ts')).undiciParts
  const url = new URL('/v1/network', context.coordinatorUrl)
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)])
  const answer = await request(url, {signal: bounded}).catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error))
  )
  if (answer instanceof Error) {
    signal.throwIfAborted()
    return [
      {
        check: 'coordinator',
        verdict: 'fail',
        message: `No coordinator answers at ${url.origin}: ${answer.message}`,
        hint: 'creo coordinator serve'
      }
    ]
  }
  const text = await readBounded(answer.body)
  const seen = seenFinding(answer.headers[SEEN_HEADER])
  return [identityFinding(context, {statusCode: answer.statusCode, text}), clockFinding(answer.headers.date, nowMs), ...seen]
}

async function readBounded(body: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of body) {
    text += chunk.toString('utf8')
    if (text.length > ANSWER_BYTES_MAX) break
  }
  return text
}

/** The pinned id and key must be those that answer, or somebody else sits at that address. */
function identityFinding(
  context: {readonly name: string; readonly coordinatorUrl: string; readonly networkId: string; readonly coordinatorKey: string},
  answer: {readonly statusCode: number; readonly text: string}
): Finding {
  const check = 'coordinator'
  const view = networkViewSchema.safeParse(parseJson(answer.text))
  if (answer.statusCode !== 200 || !view.success) {
    return {check, verdict: 'fail', message: `${context.coordinatorUrl} answers, but not as a coordinator (status ${answer.statusCode}).`}
  }
  if (view.data.id !== context.networkId || view.data.coordinatorKey !== context.coordinatorKey) {
    const message = `${context.coordinatorUrl} answers for another network than "${context.name}".`
    return {check, verdict: 'fail', message, hint: 'Check the address with the operator of the network.'}
  }
  return {
    check,
    verdict: 'ok',
    message: `${view.data.name} at ${context.coordinatorUrl}, creo ${view.data.version}, ledger sequence ${view.data.sequence}.`
  }
}

function clockFinding(date: string | string[] | undefined, nowMs: number): Finding {
  const serverMs = Date.parse(String(date))
  if (Number.isNaN(serverMs)) return {check: 'clock', verdict: 'warn', message: 'The coordinator did not say what time it is.'}
  const skewMs = Math.abs(nowMs - serverMs)
  const message = `This clock and the coordinator's are ${Math.round(skewMs / 1000)} s apart.`
  if (skewMs <= CLOCK_SKEW_MAX_MS) return {check: 'clock', verdict: 'ok', message}
  return {check: 'clock', verdict: 'warn', message, hint: 'Set this clock, for example with timedatectl set-ntp true.'}
}

/** Nothing where the coordinator does not say. */
function seenFinding(header: string | string[] | undefined): readonly Finding[] {
  const [, address, proxy] = /^([0-9a-f:.]{2,45}); proxy=(none|trusted|untrusted)$/i.exec(String(header)) ?? []
  if (address === undefined) return []
  const check = 'address'
  if (proxy === 'untrusted') {
    const message = `Requests reach the coordinator through a proxy that it does not trust: all who come by it count as one client, ${address}.`
    return [{check, verdict: 'warn', message, hint: `Its operator: creo coordinator serve --trusted-proxies ${address}`}]
  }
  const how = proxy === 'trusted' ? 'through a proxy that it trusts' : 'without a proxy'
  return [{check, verdict: 'ok', message: `The coordinator sees this machine as ${address}, ${how}.`}]
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
