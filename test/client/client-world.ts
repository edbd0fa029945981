import {createServer, type IncomingMessage, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {createClient} from '../../src/client/client.ts'
import {ERROR_CODES, type ErrorCode} from '../../src/core/errors.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {signTime} from '../../src/identity/time.ts'

export const NETWORK = 'ab'.repeat(32)
export const ACCOUNT = `acc_${'1'.repeat(32)}`
export const coordinatorKey = generateKeyPair()
export const key = generateKeyPair()

export interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}
export type Answer = {status: number; body?: unknown; headers?: Record<string, string>} | 'cut'

const servers: Server[] = []
const closers: (() => Promise<void>)[] = []
/** Ends what a test opened. */
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0)) await close()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

/** A server on loopback that answers each request by `answer`; what it was asked is kept. */
export async function coordinator(answer: (asked: Asked, count: number) => Answer | Promise<Answer>) {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const one = {method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString()}
    asked.push(one)
    const answered = await answer(one, asked.length)
    if (answered === 'cut') request.socket.destroy()
    else
      response
        .writeHead(answered.status, {'content-type': 'application/json', ...answered.headers})
        .end(answered.body === undefined ? '' : JSON.stringify(answered.body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push(server)
  const coordinatorUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {coordinatorUrl, asked, close: () => new Promise((resolve) => server.close(resolve))}
}

export function client(coordinatorUrl: string, options: {now?: () => number; signal?: AbortSignal} = {}) {
  const made = createClient({
    coordinatorUrl,
    networkId: NETWORK,
    coordinatorKey: coordinatorKey.publicKey,
    key,
    account: ACCOUNT,
    now: Date.now,
    ...options
  })
  closers.push(() => made.close())
  return made
}

export function refusal(code: ErrorCode, hint?: string): Answer {
  return {status: ERROR_CODES[code].http, body: {error: {code, message: 'No.', ...(hint === undefined ? {} : {hint})}}}
}

export function nonceOf(url: string): string {
  return new URL(url, 'http://x').searchParams.get('nonce') ?? ''
}

export function signedTime(url: string, signer: typeof key) {
  return signTime({nonce: nonceOf(url), atMs: Date.now(), key: signer})
}
