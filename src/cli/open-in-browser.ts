import {spawn} from 'node:child_process'

const OPENERS = ['xdg-open', 'open'] as const

/** Hands an address to the desktop's opener, which goes on by itself; false where there is none. */
export async function openInBrowser(address: string): Promise<boolean> {
  if (!/^https?:\/\//.test(address)) return false
  for (const opener of OPENERS) if (await started(opener, address)) return true
  return false
}

function started(opener: string, address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(opener, [address], {detached: true, stdio: 'ignore'})
    child.once('error', () => resolve(false))
    child.once('spawn', () => {
      child.unref()
      resolve(true)
    })
  })
}
