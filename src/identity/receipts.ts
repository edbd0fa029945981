import {CreoError} from '../core/errors.ts'
import {
  type Receipt,
  type ReceiptAttestation,
  type ReceiptProposal,
  receiptAttestationSchema,
  receiptProposalSchema,
  receiptSchema,
  receiptSigningText
} from '../core/protocol/receipts.ts'
import {gatewayIdOf, type KeyPair, nodeIdOf, sha256Hex, signText, verifyText} from './keys.ts'

/** A gateway's half of a receipt. */
export type SignedProposal = Pick<Receipt, 'proposal' | 'gatewaySignature'>

/** Signs what the gateway saw in one window. */
export function signProposal(proposal: ReceiptProposal, gatewayKey: KeyPair): SignedProposal {
  const text = JSON.stringify(proposal)
  return {proposal: text, gatewaySignature: signText(gatewayKey, receiptSigningText('creo-receipt-v1', text))}
}

/** Adds the miner's half. */
export function attest(signed: SignedProposal, attestation: Omit<ReceiptAttestation, 'v' | 'proposalSha256'>, nodeKey: KeyPair): Receipt {
  const {mibMs, standbyMs = 0, bytesIn, bytesOut} = attestation
  const standby = standbyMs > 0 && {standbyMs}
  const proposalSha256 = sha256Hex(signed.proposal)
  const whole: ReceiptAttestation = {v: 'creo-attestation-v1', proposalSha256, mibMs, ...standby, bytesIn, bytesOut}
  const text = JSON.stringify(whole)
  return {...signed, attestation: text, nodeSignature: signText(nodeKey, receiptSigningText('creo-attestation-v1', text))}
}

/** Parses one proposal's text. @throws {CreoError} `invalid_input` */
export function openProposal(text: string): ReceiptProposal {
  return opened('proposal', () => receiptProposalSchema.parse(JSON.parse(text)))
}

/**
 * Parses both halves and checks that the second speaks of the first. The signatures are `verifyReceipt`'s.
 * @throws {CreoError} `invalid_input`
 */
export function openReceipt(receipt: unknown): {readonly proposal: ReceiptProposal; readonly attestation: ReceiptAttestation} {
  const {proposal, attestation} = opened('receipt', () => receiptSchema.parse(receipt))
  const attested = opened('attestation', () => receiptAttestationSchema.parse(JSON.parse(attestation)))
  if (attested.proposalSha256 !== sha256Hex(proposal)) throw new CreoError('invalid_input', 'The attestation belongs to another proposal.')
  return {proposal: openProposal(proposal), attestation: attested}
}

/** True when the gateway and the node named in the receipt have both signed exactly this. */
export function verifyReceipt(receipt: Receipt, {gatewayKey, nodeKey}: {readonly gatewayKey: string; readonly nodeKey: string}): boolean {
  const {proposal} = openReceipt(receipt)
  return (
    proposal.gateway === gatewayIdOf(gatewayKey) &&
    proposal.node === nodeIdOf(nodeKey) &&
    verifyText(gatewayKey, receiptSigningText('creo-receipt-v1', receipt.proposal), receipt.gatewaySignature) &&
    verifyText(nodeKey, receiptSigningText('creo-attestation-v1', receipt.attestation), receipt.nodeSignature)
  )
}

function opened<T>(what: string, open: () => T): T {
  try {
    return open()
  } catch (cause) {
    throw new CreoError('invalid_input', `The ${what} cannot be read.`, {cause})
  }
}
