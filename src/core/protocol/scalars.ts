import {z} from 'zod'

/** Lower-case names of orgs, apps and functions: parts of a DNS label joined by `--`, so a name never holds `--` itself. */
export const nameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'must be lower-case letters, digits and single hyphens, starting with a letter')
  .min(2)
  .max(20)

export const incentiveCodeSchema = z.string().regex(/^[A-Z][A-Z0-9]{1,9}$/, 'must be 2 to 10 capital letters and digits')
/** `org/CODE`. */
export const incentiveIdSchema = z.string().regex(/^[a-z][a-z0-9-]{1,19}\/[A-Z][A-Z0-9]{1,9}$/, 'must look like org/CODE')

/** Gutta, or an incentive. */
export const assetIdSchema = z.union([z.literal('gutta'), incentiveIdSchema])

/** The first 16 bytes of a SHA-256, hex. */
const shortHash = '[0-9a-f]{32}'
export const keyIdSchema = z.string().regex(new RegExp(`^${shortHash}$`), 'must be the id of a key: 32 digits from 0 to f')
export const accountIdSchema = z
  .string()
  .regex(new RegExp(`^acc_${shortHash}$`), 'must be the id of an account: acc_ and 32 digits from 0 to f')
/** `node_` and the id of the node's key. */
export const nodeIdSchema = z.string().regex(new RegExp(`^node_${shortHash}$`), 'must be the id of a node: node_ and 32 digits from 0 to f')
/** `gw_` and the id of the gateway's key. */
export const gatewayIdSchema = z
  .string()
  .regex(new RegExp(`^gw_${shortHash}$`), 'must be the id of a gateway: gw_ and 32 digits from 0 to f')
/** SHA-256 of the genesis bytes, hex. */
export const networkIdSchema = z.string().regex(/^[0-9a-f]{64}$/, 'must be the id of a network: 64 digits from 0 to f')
/** A thing made by a command: its prefix and the sequence of that command (of a revision: the sequence × 64 + its place), in one form alone. */
export const offerIdSchema = z.string().regex(/^off_[1-9]\d{0,15}$/, 'must be the id of an offer, such as off_12')
export const orderIdSchema = z.string().regex(/^ord_[1-9]\d{0,15}$/, 'must be the id of an order, such as ord_12')
export const redemptionIdSchema = z.string().regex(/^red_[1-9]\d{0,15}$/, 'must be the id of a redemption, such as red_12')
export const revisionIdSchema = z.string().regex(/^rev_[1-9]\d{0,15}$/, 'must be the id of a revision, such as rev_12')
export const leaseIdSchema = z.string().regex(/^lea_[1-9]\d{0,15}$/, 'must be the id of a lease, such as lea_12')

/** A raw Ed25519 public key, 32 bytes, base64url without padding. */
export const publicKeySchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be a public key: 43 letters, digits, - and _')
/** A raw Ed25519 signature, 64 bytes, base64url without padding. */
export const signatureSchema = z.string().regex(/^[A-Za-z0-9_-]{86}$/, 'must be a signature: 86 letters, digits, - and _')
/** 32 bytes, base64url without padding, of which there is one spelling. */
export const sha256Base64urlSchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, 'must be 32 bytes in base64url: 43 letters, digits, - and _')
export const sha256HexSchema = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256: 64 digits from 0 to f')
/** 16 bytes, base64url without padding, of which there is one spelling. */
export const saltSchema = z.string().regex(/^[A-Za-z0-9_-]{21}[AQgw]$/, 'must be 16 bytes in base64url: 22 letters, digits, - and _')
/** What a machine's processor is called in OCI. */
export const architectureSchema = z.enum(['amd64', 'arm64'])
export type Architecture = z.output<typeof architectureSchema>
/** Path of a request, with its query if it has one. */
export const httpPathSchema = z
  .string()
  .max(200)
  .regex(/^\/[\x21-\x7e]*$/, 'must be a path that starts with /')
/** Name of an environment variable. */
export const variableNameSchema = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'must be the name of a variable: up to 64 letters, digits and _')
/** An OCI digest. */
export const imageDigestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be a digest: sha256: and 64 digits from 0 to f')

const safeInteger = (text: string): boolean => Number.isSafeInteger(Number(text))

/** An amount in the minor unit of its asset: a safe integer ≥ 0 inside, a string of decimal digits on the wire. */
export const amountSchema = z.codec(
  z
    .string()
    .regex(/^(0|[1-9]\d{0,15})$/, 'must be a whole number of minor units as a string')
    .refine(safeInteger, 'is above 2^53 - 1'),
  z.int().min(0),
  {decode: Number, encode: String}
)
export const positiveAmountSchema = z.codec(
  z
    .string()
    .regex(/^[1-9]\d{0,15}$/, 'must be a whole number of minor units above 0 as a string')
    .refine(safeInteger, 'is above 2^53 - 1'),
  z.int().min(1),
  {decode: Number, encode: String}
)
/** Like `amountSchema`, but may be below zero: what `issued` holds. */
export const signedAmountSchema = z.codec(
  z
    .string()
    .regex(/^(0|-?[1-9]\d{0,15})$/, 'must be a whole number of minor units as a string')
    .refine(safeInteger, 'is beyond 2^53 - 1'),
  z.int(),
  {decode: Number, encode: String}
)
/** Milliseconds since 1970 UTC. */
export const timeMsSchema = z.int().min(0)
/** A count of requests, bytes or MiB·ms in one receipt window. */
export const countSchema = z
  .int()
  .min(0)
  .max(2 ** 50)
/** Text that people read: one line, no control or bidirectional override characters. */
export const labelSchema = z
  .string()
  .min(1)
  .max(120)
  .regex(/^[^\p{Cc}\u202a-\u202e\u2066-\u2069]*$/u, 'must be one line of plain text')
const MEMO_BYTES_MAX = 64
/** What a payer says with a payment, for everybody to read. */
export const memoSchema = labelSchema
  .max(MEMO_BYTES_MAX)
  .refine((text) => new TextEncoder().encode(text).length <= MEMO_BYTES_MAX, `must be at most ${MEMO_BYTES_MAX} bytes of UTF-8`)
