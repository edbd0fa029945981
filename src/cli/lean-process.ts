/**
 * V8's room for new objects, in MiB, and by how many per cent objects may grow before the collector looks at all of them again. It otherwise makes the first
 * large while a role starts, and lets garbage grow to as much as what lives: after a large table, more than the table. The coordinator, which has the most
 * to do, has the most room.
 */
const V8_SETTINGS = {
  'mine start': ['--max-semi-space-size=2', '--heap-growing-percent=20'],
  'gateway serve': ['--max-semi-space-size=4', '--heap-growing-percent=20'],
  'coordinator serve': ['--max-semi-space-size=16', '--heap-growing-percent=20']
} as const
/** By its command. */
export type LeanRole = keyof typeof V8_SETTINGS
/**
 * glibc's allocator, see mallopt(3): by itself it keeps an arena for each thread and, once a large block was freed, blocks of that size as well, so that
 * what the unpacking of an image or the text of a large table took stays taken.
 */
const MALLOC_SETTINGS = {MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072'}

/** What a role is started under so that it holds little at rest. */
export function leanSettings(role: LeanRole): {readonly execArgv: readonly string[]; readonly env: Readonly<Record<string, string>>} {
  return {execArgv: V8_SETTINGS[role], env: MALLOC_SETTINGS}
}

/**
 * Puts the same program in this process's place, under settings that it can only be given at its start: same id, same standard streams. Returns where they
 * are given already, or others by the user, and where there is no such call.
 */
export function startLean(role: LeanRole): void {
  if (process.platform !== 'linux' || process.env.MALLOC_ARENA_MAX !== undefined) return
  const {execArgv, env} = leanSettings(role)
  const args = [process.execPath, ...execArgv, ...process.execArgv, ...process.argv.slice(1)]
  process.execve?.(process.execPath, args, {...process.env, ...env})
}
