/** Starts `work` every `ms`, and leaves a turn out while the one before still runs: on a slow disk nothing queues up. */
export function everyUnlessBusy(ms: number, work: () => Promise<unknown>, onError: (error: unknown) => void): NodeJS.Timeout {
  let isBusy = false
  return setInterval(() => {
    if (isBusy) return
    isBusy = true
    work()
      .catch(onError)
      .finally(() => {
        isBusy = false
      })
  }, ms)
}
