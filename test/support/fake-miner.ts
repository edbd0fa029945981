import {once} from 'node:events'
import {mkdtemp, rm} from 'node:fs/promises'
import {createServer, type RequestListener, type Server} from 'node:http'
import {connect, type Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Duplex} from 'node:stream'
import type {Receipt} from '../../src/core/protocol/receipts.ts'
import type {Caller, GatewayMessage, MinerMessage} from '../../src/core/protocol/tunnel.ts'
import {generateKeyPair, type KeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {attest, openProposal} from '../../src/identity/receipts.ts'
import {keepTunnel, type TunnelSession} from '../../src/tunnel/dial.ts'
import {pipeSockets} from '../../src/tunnel/pipe-sockets.ts'

export interface FakeMiner {
  readonly key: KeyPair
  readonly node: string
  readonly receipts: Receipt[]
  readonly messages: GatewayMessage[]
  /** Ids of instances that run now. */
  readonly running: ReadonlySet<string>
  readonly connected: Promise<void>
  /** Resolves with the next message of this type. */
  next<T extends GatewayMessage['type']>(type: T): Promise<Extract<GatewayMessage, {type: T}>>
  send(message: MinerMessage): void
  /** A connection with what an instance calls, as the gateway lets it. */
  openCalls(caller: Pick<Caller, 'instance' | 'lease'>): Promise<Socket>
  /** The instance of this revision that runs here, with its lease. */
  callerOf(revision: string): Pick<Caller, 'instance' | 'lease'>
  /** Ends the session as a dead line would; it is dialled again. */
  drop(): void
  /** Ends a function's process without having been asked to. */
  crash(instance: string): void
  close(): Promise<void>
}

export interface FakeMinerOptions {
  readonly gateway: {readonly id: string; readonly tunnelUrl: string}
  readonly network: string
  readonly key?: KeyPair
  /** What its functions answer; `revision` is what was started. */
  readonly serve: RequestListener
  readonly onUpgrade?: (socket: Duplex, head: Buffer) => void
  /** Answers a start with a failure instead. */
  readonly refuseStart?: (start: {readonly revision: string}) => {readonly code: string; readonly message: string} | undefined
  readonly signs?: boolean
  /** Called when a session stands; it says only then what runs. */
  readonly greets?: () => Promise<void>
  /** The tier that it says its instances waited at. */
  readonly startsFrom?: 'frozen' | 'created'
}

/** A miner whose functions are HTTP servers on unix sockets of this process; its tunnel is the real one. */
export async function startFakeMiner(options: FakeMinerOptions): Promise<FakeMiner> {
  const key = options.key ?? generateKeyPair()
  const directory = await mkdtemp(join(tmpdir(), 'creo-miner-'))
  const stop = new AbortController()
  const servers = new Map<string, Server>()
  const running = new Map<string, {revision: string; lease: string}>()
  const receipts: Receipt[] = []
  const messages: GatewayMessage[] = []
  const waiting: {type: string; resolve: (message: GatewayMessage) => void}[] = []
  const connected = Promise.withResolvers<void>()
  let session: TunnelSession | undefined

  const end = (instance: string): void => {
    servers.get(instance)?.close().closeAllConnections()
    servers.delete(instance)
    running.delete(instance)
  }
  const start = async ({instance, revision, lease}: Extract<GatewayMessage, {type: 'start'}>, on: TunnelSession): Promise<void> => {
    const refused = options.refuseStart?.({revision})
    if (refused !== undefined) return on.send({type: 'start_failed', instance, ...refused})
    const server = createServer((request, response) => {
      response.setHeader('x-instance', instance)
      response.setHeader('x-revision', revision)
      options.serve(request, response)
    })
    if (options.onUpgrade !== undefined) server.on('upgrade', (_request, socket, head) => options.onUpgrade?.(socket, head))
    servers.set(instance, server.listen(join(directory, instance)))
    await once(server, 'listening')
    running.set(instance, {revision, lease})
    on.send({type: 'started', instance, tier: options.startsFrom ?? 'pulled', startMs: 1})
  }
  const handle = (message: GatewayMessage, on: TunnelSession): void => {
    messages.push(message)
    for (const waiter of waiting.splice(0)) {
      if (waiter.type === message.type) waiter.resolve(message)
      else waiting.push(waiter)
    }
    if (message.type === 'start') void start(message, on)
    if (message.type === 'stop') end(message.instance)
    if (message.type === 'propose_receipt' && options.signs !== false) {
      const {proposal, gatewaySignature} = message
      const {mibMs, standbyMs, bytesIn, bytesOut} = openProposal(proposal)
      const receipt = attest({proposal, gatewaySignature}, {mibMs, standbyMs, bytesIn, bytesOut}, key)
      receipts.push(receipt)
      on.send({type: 'receipt', receipt})
    }
  }
  const kept = keepTunnel({
    gateway: options.gateway,
    network: options.network,
    nodeKey: key,
    now: Date.now,
    signal: stop.signal,
    onSession: (fresh) => {
      session = fresh
      const greet = (): void => fresh.send({type: 'ready', instances: [...running].map(([instance, of]) => ({instance, ...of}))})
      if (options.greets === undefined) greet()
      else void options.greets().then(greet)
      connected.resolve()
    },
    onMessage: handle,
    onLost: () => undefined,
    onBind: (instance, socket, head) => {
      if (!servers.has(instance)) socket.destroy()
      else pipeSockets(socket, connect({path: join(directory, instance), allowHalfOpen: true}), {head})
    }
  })
  return {
    key,
    node: nodeIdOf(key.publicKey),
    receipts,
    messages,
    running: {
      has: (id: string) => running.has(id),
      get size() {
        return running.size
      },
      keys: () => running.keys()
    } as ReadonlySet<string>,
    connected: connected.promise,
    next: (type) => new Promise((resolve) => waiting.push({type, resolve: resolve as (message: GatewayMessage) => void})),
    send: (message) => session?.send(message),
    openCalls: async (caller) => {
      if (session === undefined) throw new Error('no session')
      const {socket, head} = await session.openCalls(caller, stop.signal)
      socket.unshift(head)
      return socket
    },
    callerOf: (revision) => {
      const found = [...running].find(([, of]) => of.revision === revision)
      return {instance: found?.[0] ?? 'none', lease: found?.[1].lease ?? 'lea_1'}
    },
    drop: () => session?.close(),
    crash: (instance) => {
      end(instance)
      session?.send({type: 'ended', instance, exitCode: 1, oom: false})
    },
    close: async () => {
      stop.abort()
      await kept
      for (const instance of [...servers.keys()]) end(instance)
      await rm(directory, {recursive: true, force: true})
    }
  }
}
