/** Room for new objects, in MiB, which V8 otherwise makes large while a miner starts and fetches, and gives back late. */
const V8_SETTING = '--max-semi-space-size=2'
/**
 * glibc's allocator, see mallopt(3): by itself it keeps an arena for each thread and, once a large block was freed, blocks of that size as well, so that
 * what the unpacking of an image took stays taken.
 */
const MALLOC_SETTINGS = {MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072'}

/**
 * Puts the same program in this process's place, under settings that it can only be given at its start: same id, same standard streams. Returns where they
 * are given already, or others by the user, and where there is no such call.
 */
export function startLean(): void {
  if (process.platform !== 'linux' || process.env.MALLOC_ARENA_MAX !== undefined) return
  const args = [process.execPath, V8_SETTING, ...process.execArgv, ...process.argv.slice(1)]
  process.execve?.(process.execPath, args, {...process.env, ...MALLOC_SETTINGS})
}
