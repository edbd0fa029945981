import {describeLeases, describeNode, type StatusParts} from './describe-status.ts'
import {keepStatus} from './status-file.ts'

/** The status on disk. There may be thousands of leases, and it is written every few seconds: nothing is said of them again as long as it is the same. */
export class KeptStatus {
  readonly #where: Parameters<typeof keepStatus>[0]
  /** What the leases on disk were described from. */
  #from: readonly unknown[] = []

  constructor(where: Parameters<typeof keepStatus>[0]) {
    this.#where = where
  }

  async save(parts: StatusParts): Promise<void> {
    const {book, store, images, nowMs} = parts
    const from = [book.current(nowMs), store.emptyLeases, images.changes]
    const isSame = from.every((part, index) => part === this.#from[index])
    const isWritten = await keepStatus(this.#where, {...describeNode(parts), ...(!isSame && {leases: describeLeases(parts)})})
    if (!isSame) this.#from = isWritten ? from : []
  }
}
