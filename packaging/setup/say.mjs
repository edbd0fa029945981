/** All talk of the set-up goes to stderr: stdout belongs to the answer of what is started afterwards. */
export function say(text) {
  process.stderr.write(`${text}\n`)
}

/** "1.2 s" or "340 ms". */
export function formatMs(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

/** Runs one step, names it before and says how long it took after. */
export async function step(name, work) {
  const startedAtMs = performance.now()
  say(`${name} …`)
  const result = await work()
  say(`${name}: ${formatMs(performance.now() - startedAtMs)}`)
  return result
}
