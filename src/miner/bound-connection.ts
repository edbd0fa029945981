import type {Duplex} from 'node:stream'
import {pipeSockets} from '../tunnel/pipe-sockets.ts'

export interface BoundConnection {
  /** The gateway has sent something, and nothing has come back since. */
  readonly isWaiting: boolean
  /** Resolves when both sides are closed. */
  readonly closed: Promise<void>
  cut(): void
}

/** Joins a gateway's connection to an instance's and says what passes, as it passes. */
export function bindConnection(
  gateway: Duplex,
  instance: Duplex,
  options: {readonly head: Buffer; readonly onBytes: (bytes: {readonly in: number; readonly out: number}) => void}
): BoundConnection {
  const {head, onBytes} = options
  let isWaiting = head.length > 0
  if (head.length > 0) onBytes({in: head.length, out: 0})
  const onPassed = (inwards: number, outwards: number): void => {
    isWaiting = inwards > 0
    onBytes({in: inwards, out: outwards})
  }
  const pipe = pipeSockets(gateway, instance, {head, onPassed})
  return {
    closed: pipe.closed,
    cut: pipe.destroy,
    get isWaiting() {
      return isWaiting
    }
  }
}
