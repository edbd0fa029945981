import type {IncomingMessage} from 'node:http'
import {BlockList, isIP} from 'node:net'
import {CreoError} from '../../core/errors.ts'

/** A chain of proxies that is longer is followed no further. */
const HOPS_MAX = 16
const NETWORKS_MAX = 64
const HEADER_CHARS_MAX = 4096
const MAPPED_V4 = /^::ffff:(?=\d+\.)/i
/**
 * One pair of a hop in `Forwarded` (RFC 7239). Where a proxy repeats the client's `host` in quotes, it may hold what looks like a pair or a hop of its own: no
 * more is taken in quotes than addresses, names and ports are made of, and a hop with anything else says nothing.
 */
const PAIR = /^([a-z]+)=(?:([a-z0-9._-]*)|"([a-z0-9._:[\]-]*)")$/i
/** With or without brackets and a port, as proxies write it. */
const V6_IN_BRACKETS = /^\[([0-9a-f:.]+)\](?::\d{1,5})?$/i
const V4_WITH_PORT = /^([\d.]+):\d{1,5}$/

/** What a request says of where it comes from. */
export interface Sender {
  /** Of the other end of the connection; undefined when that has gone. */
  readonly peer: string | undefined
  readonly forwardedFor?: string | undefined
  readonly forwarded?: string | undefined
}

/**
 * Whose requests count together is told by the address of the connection, and what headers say is believed of nobody but the proxies that the operator
 * trusts: each of them adds the address that it was asked from on the right, so the right-most one that is no trusted proxy's own is the client's, and
 * whatever stands left of it anybody may have made up.
 */
export class ClientAddresses {
  readonly #trusted = new BlockList()

  /** @param proxies addresses or networks, as 10.0.0.7, 10.0.0.0/24 or 2001:db8::/64. @throws {CreoError} `usage` */
  constructor(proxies: readonly string[]) {
    if (proxies.length > NETWORKS_MAX)
      throw new CreoError('usage', `At most ${NETWORKS_MAX} proxies can be trusted.`, {hint: 'Name the network that they are in.'})
    for (const proxy of proxies) {
      const {address, bits, family} = parseNetwork(proxy)
      this.#trusted.addSubnet(address, bits, family)
    }
  }

  ofRequest({headers, socket}: IncomingMessage): string | undefined {
    return this.of({peer: socket.remoteAddress, forwardedFor: joined(headers['x-forwarded-for']), forwarded: joined(headers.forwarded)})
  }

  /** What a client is told of how it is seen. */
  seen(request: IncomingMessage): {readonly address: string; readonly proxy: 'none' | 'trusted' | 'untrusted'} {
    const {headers, socket} = request
    const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined
    const proxy = !isForwarded ? 'none' : this.#isTrusted(socket.remoteAddress ?? '') ? 'trusted' : 'untrusted'
    return {address: this.ofRequest(request) ?? '', proxy}
  }

  /** The client's address; a trusted proxy's own where it does not say, or says it in two ways, for whom it asks. */
  of({peer, forwardedFor, forwarded}: Sender): string | undefined {
    if (peer === undefined || !this.#isTrusted(peer)) return peer
    const said = [...(forwardedFor ? [listed(forwardedFor)] : []), ...(forwarded ? [listed(forwarded).map(forOf)] : [])]
    const clients = new Set(said.map((hops) => this.#client(peer, hops)))
    // A proxy that writes the one header may let the other through as the client made it up.
    const [client = peer] = clients
    return clients.size > 1 ? peer : client
  }

  #client(peer: string, hops: readonly string[]): string {
    let client = peer
    for (const hop of hops.slice(-HOPS_MAX).reverse()) {
      const address = addressIn(hop)
      if (address === undefined) return client
      client = address
      if (!this.#isTrusted(client)) return client
    }
    return client
  }

  #isTrusted(address: string): boolean {
    const plain = address.replace(MAPPED_V4, '')
    const kind = isIP(plain)
    return kind !== 0 && this.#trusted.check(plain, kind === 4 ? 'ipv4' : 'ipv6')
  }
}

function parseNetwork(text: string): {readonly address: string; readonly bits: number; readonly family: 'ipv4' | 'ipv6'} {
  const [address = '', bitsText, ...rest] = text.split('/')
  const kind = isIP(address)
  const most = kind === 4 ? 32 : 128
  const bits = bitsText === undefined ? most : /^\d{1,3}$/.test(bitsText) ? Number(bitsText) : Number.NaN
  if (kind !== 0 && rest.length === 0 && bits >= 1 && bits <= most) return {address, bits, family: kind === 4 ? 'ipv4' : 'ipv6'}
  throw new CreoError('usage', `"${text.slice(0, 80)}" is not the address or the network of a proxy.`, {
    hint: 'Write it as 10.0.0.7, 10.0.0.0/24 or 2001:db8::/64.'
  })
}

function joined(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header
}

function listed(header: string): string[] {
  return header.slice(-HEADER_CHARS_MAX).split(',')
}

function forOf(hop: string): string {
  const pairs = hop.split(';').map((pair) => PAIR.exec(pair.trim()))
  if (pairs.includes(null)) return ''
  const found = pairs.filter((pair) => pair?.[1]?.toLowerCase() === 'for')
  return found.length === 1 ? (found[0]?.[2] ?? found[0]?.[3] ?? '') : ''
}

/** Undefined for a name, `unknown`, and whatever else is no address. */
function addressIn(hop: string): string | undefined {
  const text = hop.trim()
  const bare = V6_IN_BRACKETS.exec(text)?.[1] ?? V4_WITH_PORT.exec(text)?.[1] ?? text
  return isIP(bare) === 0 ? undefined : bare.toLowerCase().replace(MAPPED_V4, '')
}
