import {defineConfig} from 'vitest/config'

const TIER_TEST_TIMEOUT_MS: Readonly<Record<string, number>> = {short: 180_000, long: 600_000, soak: 12 * 3_600_000}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'plugins/*/test/**/*.test.ts'],
    reporters: ['default', './test/support/reporter.ts'],
    pool: 'forks',
    maxWorkers: 2,
    disableConsoleIntercept: true,
    testTimeout: TIER_TEST_TIMEOUT_MS[process.env.CREO_TEST_TIER ?? 'short'] ?? 180_000,
    hookTimeout: 120_000,
    // Only what is broken waits so long: an event is there as soon as it is, and on a machine with much else to do that may take seconds.
    expect: {poll: {timeout: 30_000}}
  }
})
