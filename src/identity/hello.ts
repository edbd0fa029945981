import {CreoError} from '../core/errors.ts'
import {type TunnelHello, tunnelHelloSchema} from '../core/protocol/tunnel.ts'
import {type KeyPair, nodeIdOf, signText, verifyText} from './keys.ts'

/** Longest hello header that is read at all. */
export const HELLO_HEADER_MAX = 2048

export interface OpenedHello {
  readonly hello: TunnelHello
  /** The exact JSON that was signed. */
  readonly text: string
  readonly signature: string
}

/** The value of the `creo-hello` header: base64url of the JSON, a dot, the node's signature. */
export function signHello(hello: TunnelHello, nodeKey: KeyPair): string {
  const text = JSON.stringify(hello)
  return `${Buffer.from(text).toString('base64url')}.${signText(nodeKey, signingText(text))}`
}

/** Parses a header before it is known who sent it. @throws {CreoError} `invalid_input` */
export function openHello(header: string): OpenedHello {
  const match = header.length <= HELLO_HEADER_MAX ? /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})$/.exec(header) : null
  const encoded = match?.[1] ?? ''
  const text = Buffer.from(encoded, 'base64url').toString()
  try {
    if (Buffer.from(text).toString('base64url') !== encoded) throw new Error('not the canonical base64url')
    return {hello: tunnelHelloSchema.parse(JSON.parse(text)), text, signature: match?.[2] ?? ''}
  } catch (cause) {
    throw new CreoError('invalid_input', 'The tunnel hello cannot be read.', {hint: 'Upgrade the miner or the gateway.', cause})
  }
}

/** True when the node named in the hello has this key and signed exactly this text. */
export function verifyHello(opened: OpenedHello, nodePublicKey: string): boolean {
  return opened.hello.node === nodeIdOf(nodePublicKey) && verifyText(nodePublicKey, signingText(opened.text), opened.signature)
}

/** Names the purpose, so that no other signed text of the node can pass as a hello. */
function signingText(text: string): string {
  return `creo-hello-v1\n${text}`
}
