import {EGRESS_COORDINATOR} from './protocol/revisions.ts'

/** What kind of network an address belongs to. A function reaches `public` ones alone. */
export type AddressClass =
  | 'public'
  | 'unspecified'
  | 'loopback'
  | 'private'
  | 'link-local'
  | 'shared'
  | 'multicast'
  | 'reserved'
  /** Public by its number, and yet the network that this machine is in. */
  | 'home-network'
  | 'not_an_address'

/** Ports of mail submission and relay: a volunteer's address must not end on a blocklist. */
export const MAIL_PORTS: ReadonlySet<number> = new Set([24, 25, 465, 587, 2525])
/** The only port that `coordinator.internal` answers on. */
export const EGRESS_COORDINATOR_PORT = 80
const HOST_MAX = 253
/** A household is given a whole /56 or /48 of IPv6, of which a machine sees only its own /64. */
const OWN_IPV6_BITS_MAX = 48

export type EgressDecision =
  | {readonly to: 'coordinator'}
  /** Resolve the name, and connect only if `addressesAllowed` says so of what comes back. */
  | {readonly to: 'resolved'; readonly host: string; readonly port: number}
  | {readonly to: 'nowhere'; readonly reason: string}

/** Whether a function with these `egress` hosts may ask for this host and port, before any name is resolved. */
export function decideEgress(target: {readonly host: string; readonly port: number}, allowedHosts: readonly string[]): EgressDecision {
  const host = target.host
    .toLowerCase()
    .replace(/\.$/, '')
    .replace(/^\[(.*)\]$/, '$1')
  if (host === '' || host.length > HOST_MAX) return {to: 'nowhere', reason: 'that is not a host name'}
  if (!Number.isInteger(target.port) || target.port < 1 || target.port > 65_535) return {to: 'nowhere', reason: 'that is not a port'}
  if (!allowedHosts.some((allowed) => allowed.toLowerCase().replace(/\.$/, '') === host)) {
    return {to: 'nowhere', reason: `"${host}" is not in the manifest's egress list`}
  }
  if (host === EGRESS_COORDINATOR) {
    if (target.port === EGRESS_COORDINATOR_PORT) return {to: 'coordinator'}
    return {to: 'nowhere', reason: `${EGRESS_COORDINATOR} answers on port ${EGRESS_COORDINATOR_PORT} alone`}
  }
  if (MAIL_PORTS.has(target.port)) return {to: 'nowhere', reason: `port ${target.port} is for mail`}
  return {to: 'resolved', host, port: target.port}
}

/**
 * The first address that is not public, or `undefined` when all are. One bad address refuses the whole name. `ownNetworks` are those of this
 * machine's interfaces as ADDRESS/BITS: behind a public address may stand the volunteer's own printer.
 */
export function firstForbiddenAddress(
  addresses: readonly string[],
  ownNetworks: readonly string[] = []
): {readonly address: string; readonly kind: AddressClass} | undefined {
  for (const address of addresses) {
    const kind = classifyAddress(address)
    if (kind !== 'public') return {address, kind}
    if (ownNetworks.some((network) => isInside(address, network))) return {address, kind: 'home-network'}
  }
  return undefined
}

/** A network that can't be understood contains everything. */
function isInside(address: string, network: string): boolean {
  const [base = '', bitsText = ''] = network.split('/')
  const bits = /^\d{1,3}$/.test(bitsText) ? Number(bitsText) : Number.NaN
  const baseFour = parseIpv4(base)
  const groups = parseIpv6(address)
  const four = parseIpv4(address) ?? (groups && carriedIpv4(groups))
  if (baseFour !== undefined && bits <= 32)
    return four !== undefined && Math.floor(four / 2 ** (32 - bits)) === Math.floor(baseFour / 2 ** (32 - bits))
  const baseGroups = parseIpv6(base)
  if (baseGroups === undefined || !(bits <= 128)) return true
  if (groups === undefined || four !== undefined) return false
  const shared = Math.min(bits, OWN_IPV6_BITS_MAX)
  return groups.every((group, index) => {
    const ignored = 16 - Math.max(0, Math.min(16, shared - 16 * index))
    return group >> ignored === (baseGroups[index] ?? 0) >> ignored
  })
}

/**
 * By the special-purpose registries of IANA (RFC 6890 and its updates). An IPv6 address that carries an IPv4 address
 * (mapped, compatible, NAT64, 6to4) is as good as the address it carries.
 */
export function classifyAddress(address: string): AddressClass {
  const four = parseIpv4(address)
  if (four !== undefined) return classifyIpv4(four)
  const groups = parseIpv6(address)
  return groups === undefined ? 'not_an_address' : classifyIpv6(groups)
}

const IPV4_RANGES: readonly (readonly [network: string, bits: number, kind: AddressClass])[] = [
  ['0.0.0.0', 8, 'unspecified'],
  ['10.0.0.0', 8, 'private'],
  ['100.64.0.0', 10, 'shared'],
  ['127.0.0.0', 8, 'loopback'],
  ['169.254.0.0', 16, 'link-local'],
  ['172.16.0.0', 12, 'private'],
  ['192.0.0.0', 24, 'reserved'],
  ['192.0.2.0', 24, 'reserved'],
  ['192.88.99.0', 24, 'reserved'],
  ['192.168.0.0', 16, 'private'],
  ['198.18.0.0', 15, 'reserved'],
  ['198.51.100.0', 24, 'reserved'],
  ['203.0.113.0', 24, 'reserved'],
  ['224.0.0.0', 4, 'multicast'],
  ['240.0.0.0', 4, 'reserved']
]

function classifyIpv4(address: number): AddressClass {
  for (const [network, bits, kind] of IPV4_RANGES) {
    const size = 2 ** (32 - bits)
    if (Math.floor(address / size) === Math.floor((parseIpv4(network) ?? 0) / size)) return kind
  }
  return 'public'
}

function classifyIpv6(groups: readonly number[]): AddressClass {
  const [g0 = 0, g1 = 0, , , , , g6 = 0, g7 = 0] = groups
  if (groups.slice(0, 6).every((group) => group === 0) && g6 === 0 && g7 <= 1) return g7 === 0 ? 'unspecified' : 'loopback'
  const four = carriedIpv4(groups)
  if (four !== undefined) return classifyIpv4(four)
  if (g0 === 0x64 && g1 === 0xff_9b) return 'private'
  if (g0 >= 0xff_00) return 'multicast'
  if ((g0 & 0xfe_00) === 0xfc_00 || (g0 & 0xff_c0) === 0xfe_c0) return 'private'
  if ((g0 & 0xff_c0) === 0xfe_80) return 'link-local'
  // Global unicast is 2000::/3; within it 2001::/23 (Teredo and other protocols), documentation and 3fff::/20 are not for hosts.
  if ((g0 & 0xe0_00) !== 0x20_00) return 'reserved'
  if ((g0 === 0x20_01 && g1 < 0x02_00) || (g0 === 0x20_01 && g1 === 0x0d_b8) || (g0 === 0x3f_ff && g1 < 0x10_00)) return 'reserved'
  return 'public'
}

/** The IPv4 address inside an IPv6 address that is compatible, mapped (both ways), NAT64 or 6to4. */
function carriedIpv4(groups: readonly number[]): number | undefined {
  const [g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4 = 0, g5 = 0, g6 = 0, g7 = 0] = groups
  const low = g6 * 65_536 + g7
  const upperZero = g0 === 0 && g1 === 0 && g2 === 0 && g3 === 0
  if (upperZero && ((g4 === 0 && g5 === 0) || (g4 === 0 && g5 === 0xff_ff) || (g4 === 0xff_ff && g5 === 0))) return low
  if (g0 === 0x64 && g1 === 0xff_9b && g2 === 0 && g3 === 0 && g4 === 0 && g5 === 0) return low
  return g0 === 0x20_02 ? g1 * 65_536 + g2 : undefined
}

/** Four decimal parts exactly: the short, octal and hexadecimal forms that some resolvers take are no addresses here. */
function parseIpv4(text: string): number | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = value * 256 + Number(part)
  }
  return value
}

/** Eight 16-bit groups; `::`, a dotted tail and a zone id are understood. */
function parseIpv6(text: string): readonly number[] | undefined {
  const halves = (text.split('%')[0] ?? '').split('::')
  if (halves.length > 2 || !text.includes(':')) return undefined
  const head = parseGroups(halves[0] ?? '')
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '') : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 1) return missing === 0 ? head : undefined
  return missing < 1 ? undefined : [...head, ...new Array<number>(missing).fill(0), ...tail]
}

function parseGroups(text: string): readonly number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    const four = index === parts.length - 1 && part.includes('.') ? parseIpv4(part) : undefined
    if (four !== undefined) groups.push(Math.floor(four / 65_536), four % 65_536)
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups.length > 8 ? undefined : groups
}
