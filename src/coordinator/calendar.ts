import type {Genesis} from '../core/protocol/genesis.ts'
import type {Ledger} from '../ledger/port.ts'
import type {OwnCommands} from './own-commands.ts'

/** Epochs closed in one go after a long stop; the rest follow at the next tick. */
const EPOCHS_PER_TICK_MAX = 1000
/** Open orders may carry a time limit that only the ledger knows; while there are any it looks this often. */
const ORDERS_LOOK_EVERY_MS = 10_000
const ADVANCES_PER_TICK_MAX = 100

export interface CalendarTools {
  readonly ledger: Ledger
  readonly commands: OwnCommands
  readonly genesis: Genesis
  readonly nowMs: () => number
}

/** What comes due by time alone: the ends of epochs, and the expiry of orders and redemptions. */
export class Calendar {
  readonly #tools: CalendarTools
  #ordersLookedAtMs = 0

  constructor(tools: CalendarTools) {
    this.#tools = tools
  }

  /** Does what is due now. Nothing is journaled when nothing is due. */
  async tick(signal: AbortSignal): Promise<void> {
    await this.#closeEpochs(signal)
    if (this.#expiriesDue()) await this.#advance(signal)
  }

  /** Epochs are counted without gaps from the genesis on, so those of a stop are closed one after the other. */
  async #closeEpochs(signal: AbortSignal): Promise<void> {
    const {ledger, genesis, commands, nowMs} = this.#tools
    const first = (ledger.reads.lastEpoch()?.epoch ?? -1) + 1
    const ended = Math.floor((nowMs() - genesis.createdAtMs) / genesis.emission.epochMs)
    let lastSeq = 0
    for (let epoch = first; epoch < Math.min(ended, first + EPOCHS_PER_TICK_MAX); epoch += 1) {
      const answer = await commands.submit({type: 'epoch.close', epoch}, `epoch:${epoch}`, signal)
      if (answer.status === 'rejected') break
      lastSeq = answer.seq
    }
    await ledger.projected(lastSeq, signal)
  }

  #expiriesDue(): boolean {
    const {ledger, genesis, nowMs} = this.#tools
    const now = nowMs()
    const held = ledger.reads.redemptions({status: 'held', limit: 1000})
    if (held.some((redemption) => now >= redemption.requestedAtMs + genesis.redemptionTimeoutMs)) return true
    if (now < this.#ordersLookedAtMs + ORDERS_LOOK_EVERY_MS) return false
    this.#ordersLookedAtMs = now
    return ledger.reads.orders({status: 'open', limit: 1}).length > 0
  }

  async #advance(signal: AbortSignal): Promise<void> {
    const {commands, ledger, nowMs} = this.#tools
    for (let count = 0; count < ADVANCES_PER_TICK_MAX; count += 1) {
      const answer = await commands.submit({type: 'time.advance'}, `advance:${nowMs()}:${count}`, signal)
      if (answer.status === 'rejected') return
      await ledger.projected(answer.seq, signal)
      if (answer.result.more !== true) return
    }
  }
}
