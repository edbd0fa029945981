import {once} from 'node:events'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {expect, onTestFinished} from 'vitest'
import {bindLine, type Caller, type MinerMessage} from '../../src/core/protocol/tunnel.ts'
import {createTunnelServer, type TunnelServer} from '../../src/tunnel/accept.ts'
import type {MinerLink} from '../../src/tunnel/miner-link.ts'
import {type GatewaySide, gatewaySide} from './worlds.ts'

/** As long as everything else that is waited for. */
const SOCKET_MAX_MS = 30_000

type MessageOf<T extends MinerMessage['type']> = Extract<MinerMessage, {type: T}>

/** The gateway's end of real tunnels, worked by hand. */
export interface FakeGateway extends GatewaySide {
  readonly entry: {id: string; publicKey: string; name: string; tunnelUrl: string; publicUrl: string}
  readonly messages: readonly MinerMessage[]
  /** How wrong the gateway's clock is, and how many hellos it refused while it was. */
  readonly clock: {skewMs: number; readonly refused: number}
  /** Who has called; each call is answered with the gateway's name, what was asked for, and for whom. */
  readonly callers: readonly Caller[]
  link(node: string): Promise<MinerLink>
  /** The first message of one of these types that no earlier call has taken. */
  next<T extends MinerMessage['type']>(...types: readonly T[]): Promise<MessageOf<T>>
  /** One request through a bound connection; the body of the answer, or undefined when the miner cuts it. */
  ask(node: string, instance: string): Promise<string | undefined>
}

export async function startFakeGateway(options: {
  readonly network: string
  readonly nodes: ReadonlyMap<string, string>
}): Promise<FakeGateway> {
  const side = gatewaySide(options.network)
  const messages: MinerMessage[] = []
  const taken = new Set<MinerMessage>()
  const clock = {skewMs: 0, refused: 0}
  const callers: Caller[] = []
  const called = createServer((request, response) => response.end(`${side.id} ${request.method} ${request.url} ${request.headers.host}`))
  const tunnels: TunnelServer = createTunnelServer({
    network: options.network,
    gatewayId: side.id,
    publicKeyOf: (node) => options.nodes.get(node),
    now: () => {
      if (clock.skewMs !== 0) clock.refused += 1
      return Date.now() + clock.skewMs
    },
    onLink: () => undefined,
    onMessage: (_link, message) => void messages.push(message),
    calls: {
      isKnown: () => true,
      onCalls: (caller, socket) => {
        callers.push(caller)
        called.emit('connection', socket)
      }
    }
  })
  const server = createServer().on('upgrade', tunnels.handleUpgrade)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    tunnels.close()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const link = (node: string): Promise<MinerLink> =>
    expect
      .poll(() => tunnels.links.get(node))
      .toBeDefined()
      .then(() => tunnels.links.get(node) as MinerLink)
  return {
    ...side,
    messages,
    clock,
    callers,
    entry: {id: side.id, publicKey: side.publicKey, name: 'one', tunnelUrl: url, publicUrl: url},
    link,
    next: async (...types) => {
      const find = (): MinerMessage | undefined =>
        messages.find((message) => types.some((type) => type === message.type) && !taken.has(message))
      await expect.poll(find).toBeDefined()
      const found = find() as MessageOf<(typeof types)[number]>
      taken.add(found)
      return found
    },
    ask: async (node, instance) => {
      const socket = await (await link(node)).takeDataSocket(AbortSignal.timeout(SOCKET_MAX_MS))
      socket.write(`${bindLine(instance)}GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      let text = ''
      for await (const chunk of socket) text += chunk
      return text === '' ? undefined : text.split('\r\n\r\n')[1]
    }
  }
}
