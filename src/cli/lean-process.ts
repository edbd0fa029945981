/**
 * V8's room for new objects, in MiB: it otherwise makes that large while a role starts and reads its table, and gives it back late. Gateway and coordinator
 * make more objects a second than a miner.
 */
const SEMI_SPACE_MIB = {'mine start': 2, 'gateway serve': 4, 'coordinator serve': 8}
/** By its command. */
export type LeanRole = keyof typeof SEMI_SPACE_MIB
/**
 * glibc's allocator, see mallopt(3): by itself it keeps an arena for each thread and, once a large block was freed, blocks of that size as well, so that
 * what the unpacking of an image or the text of a large table took stays taken.
 */
const MALLOC_SETTINGS = {MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072'}

/** What a role is started under so that it holds little at rest. */
export function leanSettings(role: LeanRole): {readonly execArgv: readonly string[]; readonly env: Readonly<Record<string, string>>} {
  return {execArgv: [`--max-semi-space-size=${SEMI_SPACE_MIB[role]}`], env: MALLOC_SETTINGS}
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
