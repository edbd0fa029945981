import {type FSWatcher, watch} from 'node:fs'

/** How often to look where the kernel has no watcher to give: there are 128 for all programs of a user, unless its owner allows more. */
const LOOK_INTERVAL_MS = 25

/** Says that something may have changed in a directory: by the kernel's word where it gives it, else at intervals. */
export class DirectoryChanges {
  #watcher: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #changed = Promise.withResolvers<void>()

  constructor(directory: string) {
    try {
      this.#watcher = watch(directory, () => this.wake()).on('error', () => this.#lookAtIntervals())
    } catch {
      this.#lookAtIntervals()
    }
  }

  /** Resolves at the next change, or at once when there was one since the last call. Rejects with the signal's reason. */
  async next(signal?: AbortSignal): Promise<void> {
    const changed = this.#changed
    const abort = () => changed.reject(signal?.reason)
    signal?.addEventListener('abort', abort, {once: true})
    try {
      signal?.throwIfAborted()
      await changed.promise
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#changed = Promise.withResolvers()
    }
  }

  wake(): void {
    this.#changed.resolve()
  }

  close(): void {
    this.#watcher?.close()
    clearInterval(this.#timer)
  }

  #lookAtIntervals(): void {
    this.#timer ??= setInterval(() => this.wake(), LOOK_INTERVAL_MS)
    this.wake()
  }
}
