import {setTimeout as delay} from 'node:timers/promises'
import type {RuntimeTools} from './port.ts'
import type {ContainerInstance} from './sandbox.ts'

const RETRY_MS = 10_000
const ATTEMPTS_MAX = 360

/** What can't be removed now must not run on unseen: it is listed, and tried again until it is gone or the runtime is closed. */
export function removeLater(options: {
  readonly instance: ContainerInstance
  readonly failure: unknown
  readonly isClosed: () => boolean
  readonly log: RuntimeTools['log']
}): void {
  const {instance, failure, isClosed, log} = options
  log('error', 'a start that failed could not be undone yet', {instance: instance.id, error: String(failure)})
  const again = async (): Promise<void> => {
    for (let attempt = 0; attempt < ATTEMPTS_MAX && !isClosed(); attempt++) {
      await delay(RETRY_MS, undefined, {ref: false})
      const removed = await instance.remove().then(
        () => true,
        () => false
      )
      if (removed) return
    }
  }
  again().catch((error: unknown) => log('error', 'a failed start is left behind', {instance: instance.id, error: String(error)}))
}
