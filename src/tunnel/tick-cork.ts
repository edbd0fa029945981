import type {Duplex} from 'node:stream'

/** Lets everything that is written in one turn of the event loop leave together: thousands of small chunks may be read in one piece. */
export class TickCork {
  readonly #socket: Duplex
  #isOn = false

  constructor(socket: Duplex) {
    this.#socket = socket
  }

  /** What is written from now until the end of this turn leaves in one write. */
  gather(): void {
    if (this.#isOn) return
    this.#isOn = true
    this.#socket.cork()
    process.nextTick(this.#letGo)
  }

  readonly #letGo = (): void => {
    this.#isOn = false
    this.#socket.uncork()
  }
}
