import {statfs} from 'node:fs/promises'
import {CreoError} from '../../core/errors.ts'

/** Left for the gateway's other files: a gateway that can't write its receipts ends. */
const FREE_BYTES_MIN = 512 * 2 ** 20
/** The disk is looked at again after so long, or after so much was taken since. */
const LOOK_MS = 1000
const LOOK_BYTES = 16 * 2 ** 20

export interface DiskChoices {
  readonly freeBytesMin?: number
  /** Free bytes of the disk that this path is on. */
  freeBytes?(path: string): Promise<number>
}

/** Says whether a call may still be put on the disk. */
export class DiskRoom {
  readonly #path: string
  readonly #choices: Required<DiskChoices>
  readonly #now: () => number
  #look: {readonly atMs: number; readonly free: Promise<number>; takenBytes: number} | undefined

  constructor(path: string, now: () => number, choices: DiskChoices = {}) {
    this.#path = path
    this.#now = now
    this.#choices = {freeBytesMin: FREE_BYTES_MIN, freeBytes, ...choices}
  }

  /** @throws {CreoError} `unavailable` when the disk would be nearly full. */
  async take(bytes: number): Promise<void> {
    const look = this.#recentLook()
    look.takenBytes += bytes
    const free = await look.free
    if (free - look.takenBytes >= this.#choices.freeBytesMin) return
    look.takenBytes -= bytes
    throw new CreoError('unavailable', 'The disk of this gateway is nearly full.', {hint: 'Try again later, or ask another gateway.'})
  }

  #recentLook() {
    const atMs = this.#now()
    const last = this.#look
    if (last !== undefined && last.takenBytes < LOOK_BYTES && atMs - last.atMs < LOOK_MS && atMs >= last.atMs) return last
    const look = {atMs, free: this.#choices.freeBytes(this.#path), takenBytes: 0}
    this.#look = look
    return look
  }
}

async function freeBytes(path: string): Promise<number> {
  const {bavail, bsize} = await statfs(path)
  return bavail * bsize
}
