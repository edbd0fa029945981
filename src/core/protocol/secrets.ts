import {z} from 'zod'
import {keyIdSchema, nameSchema, publicKeySchema, revisionIdSchema, signatureSchema, timeMsSchema, variableNameSchema} from './scalars.ts'

/**
 * Values that functions are given as environment and that nobody else reads: sealed by HPKE (RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256),
 * HKDF-SHA256, AES-128-GCM) to one X25519 key each time that they travel or lie somewhere. None of it is journaled.
 */

/** Variables that creo itself gives a function. */
const TAKEN_NAMES: ReadonlySet<string> = new Set('PORT HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy'.split(' '))
/** It becomes a variable of a function's environment. */
export const secretNameSchema = variableNameSchema.refine((name) => !TAKEN_NAMES.has(name), 'is a variable that creo sets by itself')
/** UTF-8 bytes of a value, which has no zero among them: it becomes an environment variable. */
export const SECRET_BYTES_MAX = 8192
export const SECRETS_PER_FUNCTION_MAX = 32
export const SECRETS_PER_APP_MAX = 100

/** Of a raw X25519 public key. HPKE's tag adds 16 bytes to what is sealed. */
export const sealedSchema = z.strictObject({
  /** The encapsulated key, 32 bytes. */
  enc: publicKeySchema,
  ciphertext: z.string().regex(/^[A-Za-z0-9_-]{22,10946}$/)
})
export type Sealed = z.output<typeof sealedSchema>

/** A raw X25519 public key, signed by the Ed25519 key of whom it belongs to over `sealingKeyText`. */
export const sealingKeySchema = z.strictObject({publicKey: publicKeySchema, signature: signatureSchema})
export type SealingKeyStatement = z.output<typeof sealingKeySchema>

export function sealingKeyText({network, publicKey}: {readonly network: string; readonly publicKey: string}): string {
  return ['creo-sealing-key-v1', network, publicKey].join('\n')
}

/** What a sealed value is, and for whom: it opens as nothing else. */
export interface SealedSecret {
  readonly network: string
  /** `deposit`: on its way to the coordinator, with version 0; `coordinator`: as it lies there; else the node. */
  readonly recipient: string
  readonly org: string
  readonly app: string
  readonly name: string
  readonly version: number
}

/** HPKE's `info` and `aad`, one part a line. */
export interface SealingContext {
  readonly info: string
  readonly aad: string
}

export function sealingContext({network, recipient, org, app, name, version}: SealedSecret): SealingContext {
  return {info: ['creo-secret-v1', network, recipient].join('\n'), aad: [org, app, name, String(version)].join('\n')}
}

/** What everybody may know who may read an app's settings: never the value, its length or a hash of it. */
export const secretViewSchema = z.object({
  name: secretNameSchema,
  /** Counts up with each value, also after it was unset in between. */
  version: z.int().min(1),
  setAtMs: timeMsSchema,
  keyId: keyIdSchema
})
export type SecretView = z.output<typeof secretViewSchema>
export const secretsViewSchema = z.object({secrets: z.array(secretViewSchema)})

export const secretSetSchema = z.strictObject({name: secretNameSchema, sealed: sealedSchema})
export const secretUnsetSchema = z.strictObject({name: secretNameSchema})
export const secretUnsetViewSchema = z.object({status: z.enum(['unset', 'already_unset'])})

/** A node asks for what one revision names that it holds a lease of. */
export const nodeSecretsRequestSchema = z.strictObject({revision: revisionIdSchema, sealingKey: sealingKeySchema})
/** Sealed to that key. A name that is not set is missing. */
export const nodeSecretsSchema = z.object({
  org: nameSchema,
  app: nameSchema,
  secrets: z.array(z.object({name: secretNameSchema, version: z.int().min(1), sealed: sealedSchema})).max(SECRETS_PER_FUNCTION_MAX),
  /** Grows whenever a secret of the app is set or unset. */
  change: z.int().min(0)
})
export type NodeSecrets = z.output<typeof nodeSecretsSchema>
