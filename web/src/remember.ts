/** Small settings of this browser. One that keeps nothing, or is full, changes nothing but that they are asked for again. */
const PREFIX = 'creo.'

export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(PREFIX + key) ?? undefined
  } catch {
    return undefined
  }
}

export function remember(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + key)
    else localStorage.setItem(PREFIX + key, value)
  } catch {
    return
  }
}

const inMemory = new Map<string, string>()

/** The browser's store; where it keeps nothing for us, one that is gone with the page. */
export function keptStore(): Pick<Storage, 'getItem' | 'setItem'> {
  try {
    return localStorage
  } catch {
    return {getItem: (name) => inMemory.get(name) ?? null, setItem: (name, value) => inMemory.set(name, value)}
  }
}
