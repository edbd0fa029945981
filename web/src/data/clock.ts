import {useEffect, useState} from 'preact/hooks'
import {checksSignatures, network} from './network.ts'

/** The network's time as far as it is known: this device's clock may be wrong, and what is counted down or free at a time is the network's. */
export function useNow(everyMs: number): number {
  const [offsetMs, setOffset] = useState(0)
  const [nowMs, setNow] = useState(Date.now())
  useEffect(() => {
    let isShown = true
    // Without it, as over plain HTTP, this device's own clock has to do.
    const ask = async (): Promise<void> => {
      if (!(await checksSignatures())) return
      const networkMs = await (await network()).nowMs()
      if (isShown) setOffset(networkMs - Date.now())
    }
    ask().catch(() => undefined)
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => {
      isShown = false
      clearInterval(timer)
    }
  }, [everyMs])
  return nowMs + offsetMs
}
