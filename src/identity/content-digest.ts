import {createHash} from 'node:crypto'

/** RFC 9530 `content-digest` of a body, SHA-256. */
export function contentDigestOf(body: Uint8Array | string): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`
}

/** The SHA-256 that a `content-digest` header names, hex; undefined when it names none. */
export function sha256OfContentDigest(header: string): string | undefined {
  const match = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?:,|$)/.exec(header)
  return match?.[1] === undefined ? undefined : Buffer.from(match[1], 'base64').toString('hex')
}
