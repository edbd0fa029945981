/** A word further away than this many letters, or than half its length, is no typing mistake. */
const DISTANCE_MAX = 3
const WORD_MAX = 64

/** The candidate that a person most likely meant, or undefined when none is close. */
export function nearestOf(word: string, candidates: readonly string[]): string | undefined {
  const typed = word.toLowerCase().slice(0, WORD_MAX)
  let best: {readonly candidate: string; readonly distance: number} | undefined
  for (const candidate of candidates) {
    const distance = editDistance(typed, candidate.toLowerCase().slice(0, WORD_MAX))
    const limit = Math.min(DISTANCE_MAX, Math.ceil(candidate.length / 2))
    if (distance <= limit && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = {candidate, distance}
  }
  return best?.candidate
}

/** As the hint of an error: what was probably meant, or what to do otherwise. */
export function meantOr(word: string, candidates: readonly string[], otherwise: string): string {
  const nearest = nearestOf(word, candidates)
  return nearest === undefined ? otherwise : `Did you mean ${nearest}?`
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({length: b.length + 1}, (_, column) => column)
  for (const [line, letter] of [...a].entries()) {
    const next = [line + 1]
    for (let column = 1; column <= b.length; column += 1) {
      const changed = (row[column - 1] ?? 0) + (letter === b[column - 1] ? 0 : 1)
      next.push(Math.min(changed, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
