import {useEffect, useRef, useState} from 'preact/hooks'
import {network} from '../data/network.ts'

/** A browser keeps what it was shown: a picture never changes, and links are slow. */
const CACHE = 'creo.pictures'
/** On a small phone; the first that came go first. */
const KEPT_MAX = 100
const NEAR = '200px'

/** What is offered, once the reader comes near it. Its words stand beside it, so that it says nothing to who does not see it. */
export function Picture({digest}: {readonly digest: string}) {
  const place = useRef<HTMLDivElement>(null)
  const [source, setSource] = useState<string>()
  useEffect(() => {
    const stop = new AbortController()
    let made: string | undefined
    const load = async (): Promise<void> => {
      const blob = await pictureOf(digest, stop.signal)
      if (stop.signal.aborted) return
      made = URL.createObjectURL(blob)
      setSource(made)
    }
    const near = new IntersectionObserver(
      (seen) => {
        if (!seen.some(({isIntersecting}) => isIntersecting)) return
        near.disconnect()
        load().catch(() => undefined)
      },
      {rootMargin: NEAR}
    )
    if (place.current) near.observe(place.current)
    return () => {
      near.disconnect()
      stop.abort()
      if (made !== undefined) URL.revokeObjectURL(made)
      setSource(undefined)
    }
  }, [digest])
  return (
    <div class="picture" ref={place}>
      {source !== undefined && <img src={source} alt="" />}
    </div>
  )
}

/** The bytes that the digest names, whoever hands them on. */
async function pictureOf(digest: string, signal: AbortSignal): Promise<Blob> {
  const kept = await caches.open(CACHE).catch(() => undefined)
  const address = `picture/${digest}`
  const known = await kept?.match(address)
  if (known !== undefined) return known.blob()
  const {type, bytes} = await (await network()).picture(digest, signal)
  const blob = new Blob([bytes], {type})
  await keep(kept, address, new Response(blob, {headers: {'content-type': type}})).catch(() => undefined)
  return blob
}

async function keep(cache: Cache | undefined, address: string, answer: Response): Promise<void> {
  const all = (await cache?.keys()) ?? []
  for (const old of all.slice(0, Math.max(0, all.length + 1 - KEPT_MAX))) await cache?.delete(old)
  await cache?.put(address, answer)
}
