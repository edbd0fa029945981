import {createStore} from './store.ts'

/** Where the reader is: the first word of the address's fragment names the page, the rest what it shows. A fragment needs nothing of whoever serves the page. */
export interface Route {
  readonly page: string
  readonly rest: readonly string[]
}

export function parseRoute(hash: string): Route {
  const [page = '', ...rest] = hash
    .replace(/^#\/?/, '')
    .split('/')
    .filter((part) => part !== '')
    .map(decodedPart)
  return {page: page === '' ? 'markets' : page, rest}
}

function decodedPart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export const route = createStore<Route>({page: 'markets', rest: []})

/** Follows the address; `moved` is told of each new page, not of the first. */
export function followRoute(moved: () => void): void {
  route.set(parseRoute(location.hash))
  addEventListener('hashchange', () => {
    route.set(parseRoute(location.hash))
    moved()
  })
}

export function marketHref(incentive: string): string {
  return `#/market/${incentive}`
}
