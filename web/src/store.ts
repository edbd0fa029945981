import {useEffect, useState} from 'preact/hooks'

/** A value that parts of the page follow. */
export interface Store<T> {
  readonly get: () => T
  readonly set: (value: T) => void
  readonly follow: (told: (value: T) => void) => () => void
}

export function createStore<T>(first: T): Store<T> {
  const followers = new Set<(value: T) => void>()
  let current = first
  return {
    get: () => current,
    set: (value) => {
      if (Object.is(value, current)) return
      current = value
      for (const told of [...followers]) told(value)
    },
    follow: (told) => {
      followers.add(told)
      return () => followers.delete(told)
    }
  }
}

export function useStore<T>(store: Store<T>): T {
  const [, again] = useState({})
  const shown = store.get()
  useEffect(() => {
    // What came between the first drawing and now was told to nobody here.
    if (!Object.is(store.get(), shown)) again({})
    return store.follow(() => again({}))
  }, [store])
  return shown
}
