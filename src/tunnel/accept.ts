import {Socket} from 'node:net'
import type {Duplex} from 'node:stream'
import {CreoError, ERROR_CODES, isCreoError} from '../core/errors.ts'
import {
  type Caller,
  gatewayMessageSchema,
  type MinerMessage,
  minerMessageSchema,
  TUNNEL_CALLS_MAX,
  TUNNEL_DATA_MAX,
  TUNNEL_HELLO_HEADER,
  TUNNEL_HELLO_SKEW_MAX_MS,
  TUNNEL_PATH,
  TUNNEL_UPGRADE,
  type TunnelHello
} from '../core/protocol/tunnel.ts'
import {type OpenedHello, openHello, verifyHello} from '../identity/hello.ts'
import {createNonceMemory, type NonceMemory} from '../identity/nonces.ts'
import {openControlChannel} from './control-channel.ts'
import {AcceptedLink, type MinerLink} from './miner-link.ts'
import {exporterOf} from './tls-binding.ts'
import {WaitingHellos} from './waiting-hellos.ts'

const SWITCHING = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${TUNNEL_UPGRADE}\r\n\r\n`

export interface TunnelServerOptions {
  readonly network: string
  readonly gatewayId: string
  /** The key of a node that the signed table knows. */
  publicKeyOf(node: string): string | undefined
  readonly now: () => number
  /** A node that is who it says is refused for its clock: of two clocks it may be ours that is wrong. */
  onClockSkew?(): void
  /** A session stands; it replaces an older one of the same node, which is closed first. */
  onLink(link: MinerLink): void
  onMessage(link: MinerLink, message: MinerMessage): void
  /** Takes what instances call. Left out where nobody does. */
  readonly calls?: CallsTaker
  readonly pingMs?: number
  readonly silenceMaxMs?: number
}

export interface CallsTaker {
  isKnown(caller: Caller): boolean
  /** A connection with the calls of an instance that is known; its handshake is done. */
  onCalls(caller: Caller, socket: Duplex): void
}

export interface UpgradeRequest {
  readonly url?: string | undefined
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

export interface TunnelServer {
  /** Takes a connection whose client asked for an upgrade. Answers everything itself, also what it refuses. */
  handleUpgrade(request: UpgradeRequest, socket: Duplex, head: Buffer): void
  /** By node id. */
  readonly links: ReadonlyMap<string, MinerLink>
  /** Answers those who dialled before their node was known. */
  nodesChanged(): void
  close(): void
}

interface Asked {
  readonly request: UpgradeRequest
  readonly socket: Duplex
  readonly head: Buffer
  /** A node that is not known yet may become so in a moment. */
  readonly mayWait: boolean
}

/** The gateway's end of all tunnels. A hello is believed only if its node, signature, time, nonce, network and gateway are right. */
export function createTunnelServer(options: TunnelServerOptions): TunnelServer {
  const links = new Map<string, AcceptedLink>()
  const nonces = createNonceMemory()
  const callsOf = new CallsOfNodes()
  const waiting = new WaitingHellos()

  const acceptControl = (hello: TunnelHello, socket: Duplex, head: Buffer): void => {
    links.get(hello.node)?.close()
    socket.write(SWITCHING)
    const channel = openControlChannel({
      socket,
      head,
      schema: minerMessageSchema,
      outgoing: gatewayMessageSchema,
      onMessage: (message) => (message.type === 'idle' ? link.keepIdle(message.max) : options.onMessage(link, message)),
      bytesElsewhere: () => link.bytesRead,
      ...(options.pingMs !== undefined && {pingMs: options.pingMs}),
      ...(options.silenceMaxMs !== undefined && {silenceMaxMs: options.silenceMaxMs})
    })
    const link = new AcceptedLink(hello.node, hello.session, channel)
    links.set(hello.node, link)
    void link.closed.then(() => {
      if (links.get(hello.node) === link) links.delete(hello.node)
    })
    options.onLink(link)
  }
  /** A connection that belongs to a session which stands. */
  const acceptBehind = (hello: TunnelHello, socket: Duplex, head: Buffer): void => {
    const link = links.get(hello.node)
    if (link?.session !== hello.session) throw new CreoError('conflict', 'The session of this connection has ended.')
    if (hello.kind === 'data') acceptData(link, socket, head)
    else acceptCalls(link, {socket, head, asked: hello.caller, callsOf}, options.calls)
  }

  const judge = ({request, socket, head, mayWait}: Asked): void => {
    try {
      const opened = openAsked(request)
      const {hello} = opened
      const again = (): void => judge({request, socket, head, mayWait: false})
      const unknown = mayWait && hello.kind === 'control' && options.publicKeyOf(hello.node) === undefined
      if (unknown && waiting.hold(hello.node, socket, again)) return
      checkHello(opened, socket, options, nonces)
      if (hello.kind === 'control') acceptControl(hello, socket, head)
      else acceptBehind(hello, socket, head)
    } catch (error) {
      refuse(socket, isCreoError(error) ? error : new CreoError('internal', 'The gateway failed.', {cause: error}))
    }
  }

  return {
    links,
    handleUpgrade: (request, socket, head) => {
      if (socket instanceof Socket) socket.setNoDelay(true).setTimeout(0)
      judge({request, socket, head, mayWait: true})
    },
    nodesChanged: () => waiting.wake((node) => options.publicKeyOf(node) !== undefined),
    close: () => {
      waiting.close()
      for (const link of links.values()) link.close()
    }
  }
}

/** @throws {CreoError} `overloaded`, `invalid_input` */
function acceptData(link: AcceptedLink, socket: Duplex, head: Buffer): void {
  if (link.openDataSockets >= TUNNEL_DATA_MAX) throw new CreoError('overloaded', `More than ${TUNNEL_DATA_MAX} data connections.`)
  if (head.length > 0) throw new CreoError('invalid_input', 'A data connection must be silent until it is bound.')
  socket.write(SWITCHING)
  link.add(socket)
}

interface CallsAsked {
  readonly socket: Duplex
  readonly head: Buffer
  readonly asked: TunnelHello['caller']
  readonly callsOf: CallsOfNodes
}

/** Open connections with calls by node: they outlive the session in which they were opened, and a node may begin a new one at any time. */
class CallsOfNodes {
  readonly #counts = new Map<string, number>()

  count(node: string): number {
    return this.#counts.get(node) ?? 0
  }

  add(node: string, socket: Duplex): void {
    this.#counts.set(node, this.count(node) + 1)
    socket.once('close', () => {
      const left = this.count(node) - 1
      if (left === 0) this.#counts.delete(node)
      else this.#counts.set(node, left)
    })
  }
}

/** @throws {CreoError} `overloaded`, `invalid_input`, `forbidden` */
function acceptCalls(link: AcceptedLink, {socket, head, asked, callsOf}: CallsAsked, taker: CallsTaker | undefined): void {
  if (asked === undefined || taker === undefined) throw new CreoError('invalid_input', 'Nobody takes calls here.')
  const caller = {...asked, node: link.node}
  if (!taker.isKnown(caller))
    throw new CreoError('forbidden', 'This gateway knows of no such instance.', {hint: 'Wait for the next table.'})
  if (callsOf.count(link.node) >= TUNNEL_CALLS_MAX)
    throw new CreoError('overloaded', `More than ${TUNNEL_CALLS_MAX} connections with calls.`)
  socket.write(SWITCHING)
  if (head.length > 0) socket.unshift(head)
  link.addCalls(socket)
  callsOf.add(link.node, socket)
  taker.onCalls(caller, socket)
}

/** @throws {CreoError} `not_found`, `invalid_input` */
function openAsked(request: UpgradeRequest): OpenedHello {
  if (request.url !== TUNNEL_PATH || request.headers.upgrade !== TUNNEL_UPGRADE) {
    throw new CreoError('not_found', `Only ${TUNNEL_PATH} with the upgrade ${TUNNEL_UPGRADE} is here.`)
  }
  return openHello(String(request.headers[TUNNEL_HELLO_HEADER] ?? ''))
}

/** @throws {CreoError} with the reason that the miner is told. */
function checkHello(opened: OpenedHello, socket: Duplex, options: TunnelServerOptions, nonces: NonceMemory): void {
  const {hello} = opened
  if (hello.network !== options.network || hello.gateway !== options.gatewayId) {
    throw new CreoError('bad_signature', 'The hello is for another network or gateway.', {hint: 'Fetch the newest table.'})
  }
  const publicKey = options.publicKeyOf(hello.node)
  if (publicKey === undefined) {
    throw new CreoError('unauthorized', 'This gateway does not know the node.', {hint: 'Enroll it, or wait for the next table.'})
  }
  if (!verifyHello(opened, publicKey) || hello.exporter !== exporterOf(socket)) {
    throw new CreoError('bad_signature', 'The hello is not signed by the node for this connection.')
  }
  const nowMs = options.now()
  if (Math.abs(nowMs - hello.atMs) > TUNNEL_HELLO_SKEW_MAX_MS) {
    options.onClockSkew?.()
    throw new CreoError('clock_skew', 'The clock of the miner differs too much from the gateway.', {
      hint: 'Set the clock, or ask the coordinator for the time.'
    })
  }
  const remembered = nonces.remember({keyId: hello.node, nonce: hello.nonce, nowMs})
  if (remembered === 'seen') throw new CreoError('replayed', 'This hello was used before.')
  if (remembered === 'full') throw new CreoError('overloaded', 'Too many connections of this node in a short time.')
}

function refuse(socket: Duplex, error: CreoError): void {
  const status = ERROR_CODES[error.code].http
  const body = JSON.stringify({error})
  socket.on('error', () => socket.destroy())
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy()
  )
}
