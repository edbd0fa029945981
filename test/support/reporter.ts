import {writeFileSync} from 'node:fs'
import type {Reporter, TestModule} from 'vitest/node'

/**
 * Writes how many tests passed and failed to the file named by `CREO_TEST_COUNTS`. A file that fails to load and an error
 * outside every test count as one failure each, but for files during which V8 stopped Node: these are named apart, to be run again.
 */
export default class CountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const path = process.env.CREO_TEST_COUNTS
    if (path === undefined) return
    const stopped = unhandledErrors.flatMap((error) => stoppedFile(error) ?? [])
    const counts = {passed: 0, failed: unhandledErrors.length - stopped.length, skipped: 0, stopped}
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

/** A check of V8's own that does not hold ends the process with SIGTRAP: now and then its table of compiled code, where threads come and go (nodejs/node issue 64500). */
const STOPPED = /Worker exited unexpectedly with signal SIGTRAP during started state while running test file (\S+)$/

function stoppedFile(error: unknown): string | undefined {
  const cause = (error as {readonly cause?: {readonly message?: unknown}} | undefined)?.cause
  return STOPPED.exec(String(cause?.message))?.[1]
}
