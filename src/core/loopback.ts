const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i

/** True for a host, with or without the brackets of an IPv6 address in a URL, that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}
