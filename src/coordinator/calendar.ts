import type {Genesis} from '../core/protocol/genesis.ts'
import type {KeyPair} from '../identity/keys.ts'
import type {Ledger} from '../ledger/port.ts'
import type {Log} from '../telemetry/log.ts'
import {Loop} from './loop.ts'
import type {OwnCommands} from './own-commands.ts'
import type {ProbeRecord} from './probe-record.ts'
import {WorkProbes} from './work-probes.ts'

/** Epochs closed in one go after a long stop; the rest follow at the next tick. */
const EPOCHS_PER_TICK_MAX = 1000
const ADVANCES_PER_TICK_MAX = 100

export interface CalendarTools {
  readonly ledger: Ledger
  readonly commands: Pick<OwnCommands, 'submit'>
  readonly genesis: Genesis
  readonly log: Log
  /** What an epoch's work is weighed by; absent: nothing. */
  readonly probes?: Pick<WorkProbes, 'forEpoch'>
}

/** What comes due by time alone: the ends of epochs, of orders, redemptions and join tokens, and of leases whose receipts had their time. */
export class Calendar {
  readonly #tools: CalendarTools
  /** The epoch whose refusal was said: once is enough, although every tick tries again. */
  #refusedEpoch: number | undefined

  constructor(tools: CalendarTools) {
    this.#tools = tools
  }

  /** Does what is due now. Nothing is journaled when nothing is due. */
  async tick(signal: AbortSignal): Promise<void> {
    await this.#closeEpochs(signal)
    await this.#advance(signal)
  }

  /** Epochs are counted without gaps from the genesis on, so those of a stop are closed one after the other. */
  async #closeEpochs(signal: AbortSignal): Promise<void> {
    const {ledger, genesis, commands, log, probes} = this.#tools
    const first = (ledger.reads.lastEpoch()?.epoch ?? -1) + 1
    const ended = Math.floor((ledger.nowMs() - genesis.createdAtMs) / genesis.emission.epochMs)
    let lastSeq = 0
    for (let epoch = first; epoch < Math.min(ended, first + EPOCHS_PER_TICK_MAX); epoch += 1) {
      const found = probes?.forEpoch(epoch) ?? []
      const body = {type: 'epoch.close', epoch, ...(found.length > 0 && {probes: [...found]})} as const
      const answer = await commands.submit(body, `epoch:${epoch}`, signal)
      if (answer.status === 'rejected') {
        if (this.#refusedEpoch !== epoch)
          log.error({epoch, code: answer.code}, `the epoch is not closed, so nothing more is minted: ${answer.message}`)
        this.#refusedEpoch = epoch
        break
      }
      lastSeq = answer.seq
    }
    await ledger.projected(lastSeq, signal)
  }

  async #advance(signal: AbortSignal): Promise<void> {
    const {commands, ledger} = this.#tools
    for (let count = 0; count < ADVANCES_PER_TICK_MAX; count += 1) {
      const nowMs = ledger.nowMs()
      if ((ledger.nextExpiryMs() ?? Number.POSITIVE_INFINITY) > nowMs) return
      const answer = await commands.submit({type: 'time.advance'}, `advance:${nowMs}:${count}`, signal)
      if (answer.status === 'rejected') return
      await ledger.projected(answer.seq, signal)
    }
  }
}

/** Does it until the signal fires; beside it the exchange's hosts are asked, and what came of that weighs an epoch's work. */
export function openCalendar(
  tools: Omit<CalendarTools, 'probes'> & {readonly key: KeyPair; readonly record: ProbeRecord},
  when: {readonly everyMs: number; readonly signal: AbortSignal}
): Pick<Loop, 'close'> {
  const probes = new WorkProbes(tools)
  const calendar = new Calendar({...tools, probes})
  const work = async (stop: AbortSignal): Promise<void> => {
    probes.tick(stop)
    await calendar.tick(stop)
  }
  const loop = new Loop({work, ...when, log: tools.log})
  return {
    close: async () => {
      await Promise.all([loop.close(), probes.close()])
    }
  }
}
