import type {Duplex} from 'node:stream'
import {TLSSocket} from 'node:tls'
import {CreoError} from '../core/errors.ts'
import {gatewayIdOf} from '../identity/keys.ts'

const EXPORTER_LABEL = 'EXPORTER-creo-tunnel'
const EXPORTER_BYTES = 32

/** What ties a hello to this TLS connection, so that nobody between the two ends can pass it on; empty without TLS. */
export function exporterOf(socket: Duplex): string {
  return socket instanceof TLSSocket ? socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0)).toString('hex') : ''
}

/**
 * A gateway's certificate may be signed by anyone: its key must be the one that the gateway's id is the hash of.
 * @throws {CreoError} `bad_signature`
 */
export function checkPinnedKey(socket: TLSSocket, gatewayId: string): void {
  const {crv, x} = socket.getPeerX509Certificate()?.publicKey.export({format: 'jwk'}) ?? {}
  if (crv === 'Ed25519' && typeof x === 'string' && gatewayIdOf(x) === gatewayId) return
  throw new CreoError('bad_signature', 'The certificate at the tunnel address is not made with the gateway key.', {
    hint: 'Ask the operator of the gateway to make its certificate with gateway.key.'
  })
}
