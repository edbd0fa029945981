import {isCreoError} from '../core/errors.ts'
import type {Receipt} from '../core/protocol/receipts.ts'
import type {MinerMessage} from '../core/protocol/tunnel.ts'
import {sha256Hex} from '../identity/keys.ts'
import {verifyReceipt} from '../identity/receipts.ts'
import type {Log} from '../telemetry/log.ts'
import type {MinerLink} from '../tunnel/miner-link.ts'
import type {Meter, PendingProposal} from './meter.ts'

export interface ReceiptDeskOptions {
  readonly meter: Meter
  readonly gatewayKey: string
  publicKeyOf(node: string): string | undefined
  readonly links: ReadonlyMap<string, MinerLink>
  readonly log: Log
}

/** Brings proposals to the miners they are for and takes their answers. The miners hand the signed receipts in themselves. */
export class ReceiptDesk {
  readonly #options: ReceiptDeskOptions

  constructor(options: ReceiptDeskOptions) {
    this.#options = options
  }

  /** Proposals of miners that are not connected wait for them. */
  propose(proposals: readonly PendingProposal[]): void {
    for (const {node, proposal, gatewaySignature} of proposals) {
      this.#options.links.get(node)?.send({type: 'propose_receipt', proposal, gatewaySignature})
    }
  }

  /** Whatever a miner has not signed yet, once it is back. */
  proposeAgain(link: MinerLink): void {
    this.propose(this.#options.meter.pendingOf(link.node))
  }

  async handle(link: MinerLink, message: MinerMessage): Promise<void> {
    const {meter, log} = this.#options
    if (message.type === 'receipt' && this.#isSigned(link.node, message.receipt)) {
      await meter.settle(link.node, sha256Hex(message.receipt.proposal))
    } else if (message.type === 'receipt') log.warn({node: link.node}, 'a receipt is not signed by its node')
    else if (message.type === 'refuse_receipt' && (await meter.settle(link.node, message.proposalSha256))) {
      log.warn({node: link.node, reason: message.reason}, 'a miner refused to sign')
    }
  }

  #isSigned(node: string, receipt: Receipt): boolean {
    const nodeKey = this.#options.publicKeyOf(node)
    try {
      return nodeKey !== undefined && verifyReceipt(receipt, {gatewayKey: this.#options.gatewayKey, nodeKey})
    } catch (error) {
      if (isCreoError(error)) return false
      throw error
    }
  }
}
