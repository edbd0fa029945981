import {writeFileSync} from 'node:fs'
import type {Reporter, TestModule} from 'vitest/node'

/**
 * Writes how many tests passed and failed to the file named by `CREO_TEST_COUNTS`. A file that fails to load and an error
 * outside every test count as one failure each.
 */
export default class CountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const path = process.env.CREO_TEST_COUNTS
    if (path === undefined) return
    const counts = {passed: 0, failed: unhandledErrors.length, skipped: 0}
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed += 1
      for (const test of module.children.allTests()) {
        const {state} = test.result()
        if (state === 'passed') counts.passed += 1
        else if (state === 'failed') counts.failed += 1
        else counts.skipped += 1
      }
    }
    writeFileSync(path, JSON.stringify(counts))
  }
}
