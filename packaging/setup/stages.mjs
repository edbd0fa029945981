import {readFileSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {run} from './child.mjs'
import {compile} from './compile.mjs'
import {NODE_MODULES, ROOT, STATE, toolEnvironment} from './places.mjs'
import {say} from './say.mjs'

const BIOME_FINDINGS_MAX = 50

/** The checks of this project in their order. Each `run(node, timeoutMs)` answers how many of its checks passed and failed. */
export function stages(tier) {
  return [
    {
      name: 'Format and lint',
      run: (node, timeoutMs) =>
        tool(
          node,
          ['@biomejs', 'biome', 'bin', 'biome'],
          ['check', '--error-on-warnings', `--max-diagnostics=${BIOME_FINDINGS_MAX}`],
          timeoutMs
        )
    },
    {name: 'Types', run: types},
    {name: 'Dead code', run: (node, timeoutMs) => tool(node, ['knip', 'bin', 'knip.js'], ['--no-progress'], timeoutMs)},
    {name: 'Tests', run: (node, timeoutMs) => tests(node, timeoutMs, tier)}
  ]
}

async function tool(node, script, args, timeoutMs) {
  const {exitCode} = await run(node, [join(NODE_MODULES, ...script), ...args], {cwd: ROOT, env: toolEnvironment(), timeoutMs})
  return exitCode === 0 ? {passed: 1, failed: 0} : {passed: 0, failed: 1}
}

async function types(node, timeoutMs) {
  const compiled = await compile(node)
  const rest = await tool(node, ['typescript', 'bin', 'tsc'], ['-p', join('test', 'tsconfig.json')], timeoutMs)
  return compiled === 0 ? rest : {passed: 0, failed: 1}
}

/** Vitest's own words go to stderr; its counts come from test/support/reporter.ts through a file. No counts means that it crashed. */
async function tests(node, timeoutMs, tier) {
  const endAtMs = performance.now() + timeoutMs
  const {stopped, ...first} = await testRun(node, timeoutMs, {tier, files: []})
  if (stopped.length === 0) return first
  say(`V8 stopped Node itself while ${stopped.join(', ')} ran; that is run once more.`)
  const again = await testRun(node, Math.max(1, endAtMs - performance.now()), {tier, files: stopped})
  return {passed: first.passed + again.passed, failed: first.failed + again.failed + again.stopped.length}
}

async function testRun(node, timeoutMs, {tier, files}) {
  const countsPath = join(STATE, `test-counts-${process.pid}.json`)
  const env = toolEnvironment({CREO_TEST_TIER: tier, CREO_TEST_COUNTS: countsPath})
  const {exitCode} = await run(node, [join(NODE_MODULES, 'vitest', 'vitest.mjs'), 'run', ...files], {cwd: ROOT, env, timeoutMs})
  const counts = takeCounts(countsPath)
  if (counts === undefined) return {passed: 0, failed: 1, stopped: []}
  if (counts.skipped > 0) say(`${counts.skipped} tests were left out: they belong to another tier, or this machine lacks what they need.`)
  return exitCode !== 0 && counts.failed + counts.stopped.length === 0 ? {...counts, failed: 1} : counts
}

function takeCounts(path) {
  try {
    const {passed, failed, skipped, stopped} = JSON.parse(readFileSync(path, 'utf8'))
    return {passed, failed, skipped, stopped}
  } catch {
    return undefined
  } finally {
    rmSync(path, {force: true})
  }
}
