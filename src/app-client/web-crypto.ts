import {CreoError} from '../core/errors.ts'

/** WebCrypto and the few encodings around it, by what every browser and server has: nothing here comes from Node. */

/** By their places: Node and browsers name these types differently. */
type Subtle = typeof globalThis.crypto.subtle
export type WebCryptoKey = Awaited<ReturnType<Subtle['importKey']>>

/** @throws {CreoError} `unavailable` on a page that came over plain HTTP, to which browsers give no WebCrypto. */
export function subtle(): Subtle {
  const found = (globalThis.crypto as {readonly subtle?: Subtle} | undefined)?.subtle
  if (found) return found
  throw new CreoError('unavailable', 'Keys can only be used on a page that came over HTTPS.', {hint: 'Open the same address with https://'})
}

export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length))
}

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>
}

export async function sha256HexOf(text: string): Promise<string> {
  return hexOf(await sha256Of(text))
}

export async function sha256Of(text: string): Promise<Uint8Array> {
  return new Uint8Array(await subtle().digest('SHA-256', utf8(text)))
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Without padding. */
export function base64urlOf(bytes: Uint8Array): string {
  return base64Of(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** With padding. */
export function base64Of(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

/** Undefined for what is not the one spelling of so many bytes. @param length any, where it is not given. */
export function bytesOfBase64url(text: string, length?: number): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return undefined
  const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0))
  return base64urlOf(bytes) === text && (length === undefined || bytes.length === length) ? bytes : undefined
}
