import {randomBytes} from 'node:crypto'
import {type IncomingMessage, request} from 'node:http'
import {connect as connectTcp, isIP, type Socket} from 'node:net'
import {type ConnectionOptions, connect as connectTls} from 'node:tls'
import {CreoError, ERROR_CODES, type ErrorCode} from '../core/errors.ts'
import {isLoopback} from '../core/loopback.ts'
import {apiErrorSchema} from '../core/protocol/api.ts'
import {TUNNEL_HELLO_HEADER, TUNNEL_PATH, TUNNEL_UPGRADE, type TunnelHello} from '../core/protocol/tunnel.ts'
import {signHello} from '../identity/hello.ts'
import {type KeyPair, nodeIdOf} from '../identity/keys.ts'
import {checkPinnedKey, exporterOf} from './tls-binding.ts'

/** Long enough for three round trips of 800 ms over a line that loses packets. */
const HANDSHAKE_TIMEOUT_MS = 20_000
/** TCP and TLS of it. Short, so that a line that came back meanwhile is tried anew: a lost SYN is sent again ever more seldom. */
const CONNECT_TIMEOUT_MS = 6000
const REFUSAL_BYTES_MAX = 16 * 1024
const NONCE_BYTES = 16

/** Who dials whom. */
export interface TunnelDial {
  readonly gateway: {readonly id: string; readonly tunnelUrl: string}
  readonly network: string
  readonly nodeKey: KeyPair
  /** 16 random bytes, base64url: the same for a control connection and its data connections. */
  readonly session: string
  /** Wall clock, corrected by what the coordinator says. */
  readonly now: () => number
  readonly signal: AbortSignal
  /** The gateway keeps us waiting, because it does not know this node yet. */
  readonly onHeld?: () => void
}

export interface UpgradedSocket {
  readonly socket: Socket
  /** Bytes that the gateway sent behind its 101. */
  readonly head: Buffer
}

/** A fresh session or nonce. */
export function randomToken(): string {
  return randomBytes(NONCE_BYTES).toString('base64url')
}

/**
 * Opens one connection to a gateway, up to and with its 101.
 * @throws {CreoError} what the gateway answered; `unavailable` when none answers; `timeout`; `bad_signature` for a foreign certificate.
 */
export async function dialUpgrade(dial: TunnelDial, purpose: Pick<TunnelHello, 'kind' | 'caller'>): Promise<UpgradedSocket> {
  const signal = AbortSignal.any([dial.signal, AbortSignal.timeout(HANDSHAKE_TIMEOUT_MS)])
  try {
    const connecting = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)])
    const socket = await connectTo(new URL(dial.gateway.tunnelUrl), dial.gateway.id, connecting)
    try {
      return await upgrade(socket, dial, purpose, signal)
    } catch (error) {
      // A gateway is dialled for as long as the miner runs: what one failed dial leaves open would add up.
      socket.destroy()
      throw error
    }
  } catch (error) {
    if (error instanceof CreoError) throw error
    const {tunnelUrl} = dial.gateway
    if (dial.signal.aborted) throw new CreoError('interrupted', `Dialling the gateway at ${tunnelUrl} was stopped.`, {cause: error})
    const isLate = signal.aborted || (error instanceof Error && error.name === 'TimeoutError')
    if (isLate) throw new CreoError('timeout', `The gateway at ${tunnelUrl} does not answer.`, {cause: error})
    throw new CreoError('unavailable', `No gateway answers at ${tunnelUrl}.`, {hint: 'It is dialled again by itself.', cause: error})
  }
}

function connectTo(url: URL, gatewayId: string, signal: AbortSignal): Promise<Socket> {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const secure = url.protocol === 'https:'
  if (!secure && !isLoopback(host)) {
    const message = `The tunnel address ${url.origin} is neither https nor on this machine.`
    return Promise.reject(
      new CreoError('invalid_input', message, {hint: 'Ask the operator of the gateway to admit it with its https address.'})
    )
  }
  const port = Number(url.port) || (secure ? 443 : 80)
  return new Promise((resolve, reject) => {
    const socket = secure ? connectTls(tlsOptions(host, port)) : connectTcp({host, port, allowHalfOpen: true})
    const abort = (): void => {
      socket.destroy(signal.reason instanceof Error ? signal.reason : undefined)
    }
    const connected = (): void => {
      signal.removeEventListener('abort', abort)
      socket.off('error', reject)
      try {
        if ('getPeerX509Certificate' in socket) checkPinnedKey(socket, gatewayId)
        resolve(socket)
      } catch (error) {
        socket.destroy()
        reject(error)
      }
    }
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, {once: true})
    socket.setNoDelay(true)
    socket.once('error', reject)
    socket.once(secure ? 'secureConnect' : 'connect', connected)
  })
}

/** Certificates are pinned by key (`checkPinnedKey`), not by who signed them. */
function tlsOptions(host: string, port: number): ConnectionOptions & {readonly allowHalfOpen: boolean} {
  const name = isIP(host) === 0 ? {servername: host} : {}
  return {host, port, ...name, allowHalfOpen: true, rejectUnauthorized: false, minVersion: 'TLSv1.3'}
}

async function upgrade(
  socket: Socket,
  dial: TunnelDial,
  purpose: Pick<TunnelHello, 'kind' | 'caller'>,
  signal: AbortSignal
): Promise<UpgradedSocket> {
  const {gateway, network, nodeKey, session} = dial
  const node = nodeIdOf(nodeKey.publicKey)
  const hello: TunnelHello = {
    v: TUNNEL_UPGRADE,
    network,
    node,
    gateway: gateway.id,
    ...purpose,
    session,
    nonce: randomToken(),
    atMs: dial.now(),
    exporter: exporterOf(socket)
  }
  // The connection stands, with or without TLS: what node:http is told of it is the Host alone.
  const {host} = new URL(gateway.tunnelUrl)
  const headers = {host, connection: 'Upgrade', upgrade: TUNNEL_UPGRADE, [TUNNEL_HELLO_HEADER]: signHello(hello, nodeKey)}
  return await new Promise((resolve, reject) => {
    const asked = request({path: TUNNEL_PATH, headers, signal, createConnection: () => socket})
    asked.once('upgrade', (_response, _socket, head) => {
      socket.pause()
      resolve({socket, head})
    })
    asked.once('information', () => dial.onHeld?.())
    asked.once('response', (response) => {
      readRefusal(response).then(reject, reject)
    })
    asked.once('error', reject)
    asked.end()
  })
}

async function readRefusal(response: IncomingMessage): Promise<CreoError> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > REFUSAL_BYTES_MAX) break
    chunks.push(chunk)
  }
  response.destroy()
  const {error} = parseRefusal(Buffer.concat(chunks).toString()) ?? {}
  if (error === undefined || !(error.code in ERROR_CODES)) {
    return new CreoError('unavailable', `The tunnel address answered ${response.statusCode} and not as a gateway.`)
  }
  return new CreoError(error.code as ErrorCode, error.message, error.hint === undefined ? {} : {hint: error.hint})
}

function parseRefusal(text: string) {
  try {
    return apiErrorSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
