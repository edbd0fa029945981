/** Keeps the page's own files, so that it opens without a network; and the last list of markets, to be shown with its age. */
const BUILD = '__BUILD__'
const FILES = '__SHELL__'
const SHELL = `shell-${BUILD}`
const KEPT = 'kept-1'
/** Named by their digests: the next build shows the same. */
const PICTURES = 'creo.pictures'
const BOARD = /\/quotes\/board$/
/** Pages of the list after the first that are kept, those that were read last: their addresses change with the markets. */
const FURTHER_KEPT_MAX = 4

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll(FILES)))
  self.skipWaiting()
})

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) =>
        Promise.all(names.filter((name) => name !== SHELL && name !== KEPT && name !== PICTURES).map((name) => caches.delete(name)))
      )
  )
})

self.addEventListener('fetch', (event) => {
  const {request} = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== self.location.origin) return
  if (request.mode === 'navigate') event.respondWith(fetch(request).catch(() => caches.match('./')))
  else if (BOARD.test(url.pathname)) event.respondWith(newestBoard(request))
  else if (!url.pathname.includes('/quotes/') && !url.pathname.endsWith('/relay')) event.respondWith(ownFile(request))
})

/** A name with a hash in it is the same for ever; the rest is asked for again, and taken as it was where nobody answers. */
async function ownFile(request) {
  const kept = await caches.match(request)
  if (kept !== undefined && request.url.includes('/assets/')) return kept
  return fetch(request).catch((error) => {
    if (kept !== undefined) return kept
    throw error
  })
}

async function newestBoard(request) {
  const cache = await caches.open(KEPT)
  try {
    const answer = await fetch(request)
    if (answer.ok) await keepNewest(cache, request, answer.clone())
    return answer
  } catch (error) {
    const kept = await cache.match(request)
    if (kept === undefined) throw error
    return kept
  }
}

async function keepNewest(cache, request, answer) {
  await cache.delete(request)
  await cache.put(request, answer)
  const further = (await cache.keys()).filter(({url}) => new URL(url).search !== '')
  for (const old of further.slice(0, -FURTHER_KEPT_MAX)) await cache.delete(old)
}
