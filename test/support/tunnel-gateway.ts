import {once} from 'node:events'
import {createServer, type Server} from 'node:http'
import {createServer as createTlsServer} from 'node:https'
import type {AddressInfo} from 'node:net'
import type {Duplex} from 'node:stream'
import type {Caller, MinerMessage} from '../../src/core/protocol/tunnel.ts'
import {gatewayIdOf, generateKeyPair, type KeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {createTunnelServer, type TunnelServer} from '../../src/tunnel/accept.ts'
import type {ConnectTunnelOptions} from '../../src/tunnel/dial.ts'
import {randomToken} from '../../src/tunnel/dial-upgrade.ts'
import type {MinerLink} from '../../src/tunnel/miner-link.ts'
import {selfSignedCertificate} from '../../src/tunnel/self-signed.ts'

export const NETWORK = 'a'.repeat(64)
export const NOW_MS = 1_800_000_000_000
export const never = new AbortController().signal
export const closers: (() => void | Promise<void>)[] = []

/** Ends everything that was opened. */
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close()
}

export interface Gateway {
  readonly tunnel: TunnelServer
  readonly server: Server
  readonly url: string
  readonly id: string
  readonly messages: MinerMessage[]
  /** Nodes that the table knows. */
  readonly known: string[]
  nextLink(): Promise<MinerLink>
  nextMessage(): Promise<MinerMessage>
  nextCall(): Promise<{readonly caller: Caller; readonly socket: Duplex}>
}

export const nodeKey = generateKeyPair()
export const node = nodeIdOf(nodeKey.publicKey)

export async function openGateway({
  pingMs,
  silenceMaxMs,
  certificateOf
}: {
  pingMs?: number
  silenceMaxMs?: number
  certificateOf?: (own: KeyPair) => KeyPair
} = {}): Promise<Gateway> {
  const key = generateKeyPair()
  const id = gatewayIdOf(key.publicKey)
  const known = [node]
  const events = new EventTarget()
  const messages: MinerMessage[] = []
  const next = <T>(type: string): Promise<T> =>
    new Promise((resolve) => events.addEventListener(type, (event) => resolve((event as CustomEvent<T>).detail), {once: true}))
  const tunnel = createTunnelServer({
    network: NETWORK,
    gatewayId: id,
    publicKeyOf: (asked) => (known.includes(asked) ? nodeKey.publicKey : undefined),
    now: () => NOW_MS,
    onLink: (link) => events.dispatchEvent(new CustomEvent('link', {detail: link})),
    onMessage: (_link, message) => {
      messages.push(message)
      events.dispatchEvent(new CustomEvent('message', {detail: message}))
    },
    calls: {
      isKnown: ({lease}) => lease === 'lea_1',
      onCalls: (caller, socket) => events.dispatchEvent(new CustomEvent('call', {detail: {caller, socket}}))
    },
    ...(pingMs !== undefined && {pingMs}),
    ...(silenceMaxMs !== undefined && {silenceMaxMs})
  })
  const tls = certificateOf === undefined ? undefined : {...selfSignedCertificate(certificateOf(key), id), allowHalfOpen: true}
  const server = (tls === undefined ? createServer() : createTlsServer(tls)).listen(0, '127.0.0.1')
  server.on('upgrade', tunnel.handleUpgrade)
  await once(server, 'listening')
  closers.push(() => {
    tunnel.close()
    server.close()
    server.closeAllConnections()
  })
  const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    tunnel,
    server,
    url,
    id,
    messages,
    known,
    nextLink: () => next('link'),
    nextMessage: () => next('message'),
    nextCall: () => next('call')
  }
}

export function dialOptions(gateway: Gateway, more: Partial<ConnectTunnelOptions> = {}): ConnectTunnelOptions {
  const stop = new AbortController()
  closers.push(() => stop.abort())
  return {
    gateway: {id: gateway.id, tunnelUrl: gateway.url},
    network: NETWORK,
    nodeKey,
    session: randomToken(),
    now: () => NOW_MS,
    signal: stop.signal,
    onMessage: () => undefined,
    onBind: (_instance, socket) => socket.destroy(),
    ...more
  }
}

/** A miner whose every bound connection is an echo. */
export const echo: ConnectTunnelOptions['onBind'] = (instance, socket, head) => {
  socket.write(`${instance}:`)
  socket.write(head)
  socket.pipe(socket)
}

export async function textOf(socket: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}
