import type {Duplex} from 'node:stream'

/** Connections that are kept waiting at once; further ones are refused as they come. */
const WAITING_MAX = 5000
/** Shorter than the dialling end waits for an answer. */
const WAIT_MAX_MS = 12_000
/** Tells the dialling end that it need not worry. */
const STILL_WAITING = 'HTTP/1.1 102 Processing\r\n\r\n'

interface Waiting {
  readonly node: string
  /** Judges the hello again, for the last time. */
  readonly judge: () => void
  readonly timer: NodeJS.Timeout
}

/**
 * Hellos of nodes that the table does not know yet. A node dials as soon as it is enrolled, and is in the table with its first lease:
 * it is answered when that comes, instead of being sent away to try again later.
 */
export class WaitingHellos {
  readonly #waiting = new Set<Waiting>()

  /** False when there is no room. Else `judge` is called once, when the node is known or the wait is over. */
  hold(node: string, socket: Duplex, judge: () => void): boolean {
    if (this.#waiting.size >= WAITING_MAX) return false
    socket.write(STILL_WAITING)
    const gone = (): void => {
      socket.destroy()
    }
    const timer = setTimeout(() => this.#end(waiting, judgeAlone), WAIT_MAX_MS)
    const judgeAlone = (): void => {
      socket.off('end', gone).off('data', gone)
      judge()
    }
    const waiting: Waiting = {node, judge: judgeAlone, timer}
    this.#waiting.add(waiting)
    // Whoever waits is silent; one that ends has given up and must not be taken for a session later.
    socket.on('error', gone).on('end', gone).on('data', gone)
    socket.once('close', () => this.#end(waiting, () => undefined))
    return true
  }

  /** Called when other nodes may be known. */
  wake(isKnown: (node: string) => boolean): void {
    for (const waiting of [...this.#waiting]) if (isKnown(waiting.node)) this.#end(waiting, waiting.judge)
  }

  /** Judges all of them now. */
  close(): void {
    for (const waiting of [...this.#waiting]) this.#end(waiting, waiting.judge)
  }

  #end(waiting: Waiting, then: () => void): void {
    clearTimeout(waiting.timer)
    if (this.#waiting.delete(waiting)) then()
  }
}
