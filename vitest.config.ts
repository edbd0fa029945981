import {defineConfig} from 'vitest/config'

const TIER_TEST_TIMEOUT_MS: Readonly<Record<string, number>> = {short: 60_000, long: 600_000, soak: 12 * 3_600_000}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'plugins/*/test/**/*.test.ts'],
    reporters: ['default', './test/support/reporter.ts'],
    pool: 'forks',
    maxWorkers: 2,
    disableConsoleIntercept: true,
    testTimeout: TIER_TEST_TIMEOUT_MS[process.env.CREO_TEST_TIER ?? 'short'] ?? 60_000,
    hookTimeout: 120_000
  }
})
