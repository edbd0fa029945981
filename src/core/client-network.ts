const MAPPED_V4 = /^::ffff:(?=\d+\.)/i
/** An IPv6 client has all addresses of the first half. */
const CLIENT_GROUPS = 4
const GROUPS = 8

/** Whose requests count together, by the address that they come from: one of IPv4, or a network of IPv6 (a /64). */
export function clientNetwork(address: string): string {
  const plain = address.replace(MAPPED_V4, '')
  if (!plain.includes(':')) return plain
  const [left = '', right = ''] = plain.split('::')
  const before = left.split(':').filter((group) => group !== '')
  const after = right.split(':').filter((group) => group !== '')
  const zeros = new Array<string>(plain.includes('::') ? GROUPS - before.length - after.length : 0).fill('0')
  return [...before, ...zeros, ...after].slice(0, CLIENT_GROUPS).join(':')
}
