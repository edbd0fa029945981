import {z} from 'zod'
import {
  countSchema,
  gatewayIdSchema,
  leaseIdSchema,
  networkIdSchema,
  nodeIdSchema,
  revisionIdSchema,
  signatureSchema,
  timeMsSchema
} from './scalars.ts'

/** What a gateway saw of one revision on one node in one window. Its id (gateway, node, revision, window) is paid once. */
export const receiptProposalSchema = z.strictObject({
  v: z.literal('creo-receipt-v1'),
  network: networkIdSchema,
  gateway: gatewayIdSchema,
  node: nodeIdSchema,
  revision: revisionIdSchema,
  lease: leaseIdSchema,
  /** Counts from the gateway's first window, never reused, also not after a crash. */
  window: z.int().min(0),
  windowStartMs: timeMsSchema,
  windowMs: z.int().min(1).max(3_600_000),
  /** Requests answered by the function (any status it chose itself). */
  requests: countSchema,
  /** Requests lost by the node's fault; they earn nothing. */
  requestsFailed: countSchema,
  /** Upper bound of the instance time that the gateway asked for: memory limit in MiB × ms. */
  mibMs: countSchema,
  /** Time that lay between two good probes of the node's readiness, less what ran (docs/PROTOCOL.md). Absent for none. */
  standbyMs: countSchema.optional(),
  bytesIn: countSchema,
  bytesOut: countSchema
})
export type ReceiptProposal = z.output<typeof receiptProposalSchema>

/** What the miner measured itself for the same window. Pay is capped by both. */
export const receiptAttestationSchema = z.strictObject({
  v: z.literal('creo-attestation-v1'),
  /** SHA-256 of the proposal's exact text, hex. */
  proposalSha256: z.string().regex(/^[0-9a-f]{64}$/),
  mibMs: countSchema,
  /** Absent for none. */
  standbyMs: countSchema.optional(),
  bytesIn: countSchema,
  bytesOut: countSchema
})
export type ReceiptAttestation = z.output<typeof receiptAttestationSchema>

export const RECEIPT_TEXT_MAX = 2048

/** Both texts exactly as signed. The signed text is the JSON itself behind the line `creo-receipt-v1` or `creo-attestation-v1`. */
export const receiptSchema = z.strictObject({
  proposal: z.string().max(RECEIPT_TEXT_MAX),
  gatewaySignature: signatureSchema,
  attestation: z.string().max(RECEIPT_TEXT_MAX),
  nodeSignature: signatureSchema
})
export type Receipt = z.output<typeof receiptSchema>

/** The text a receipt's part is signed as. */
export function receiptSigningText(part: 'creo-receipt-v1' | 'creo-attestation-v1', json: string): string {
  return `${part}\n${json}`
}

export function receiptId(proposal: Pick<ReceiptProposal, 'gateway' | 'node' | 'revision' | 'window'>): string {
  return `${proposal.gateway}/${proposal.node}/${proposal.revision}/${proposal.window}`
}
