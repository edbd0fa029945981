import type {Ledger} from '../../ledger/port.ts'

/** What is no longer live is known as that after this time; what becomes live is known at once. */
const KNOWN_MAX_MS = 60_000

/**
 * Digests of the images that count. Looking through all revisions takes long in a big network, and whoever collects asks once for each repository: so the
 * answer is kept until there is a new revision, or for a minute.
 */
export function followLiveImages(ledger: Pick<Ledger, 'reads' | 'onCommitted'>, nowMs: () => number): () => ReadonlySet<string> {
  let known: {readonly digests: ReadonlySet<string>; readonly untilMs: number} | undefined
  ledger.onCommitted(({types}) => {
    if (types.has('revision.deploy')) known = undefined
  })
  return () => {
    if (known === undefined || nowMs() >= known.untilMs) {
      known = {digests: new Set(ledger.reads.liveImages()), untilMs: nowMs() + KNOWN_MAX_MS}
    }
    return known.digests
  }
}
