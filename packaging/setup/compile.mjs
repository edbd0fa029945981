import {existsSync, readdirSync, rmSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {run} from './child.mjs'
import {NODE_MODULES, ROOT, toolEnvironment} from './places.mjs'
import {say} from './say.mjs'

const MANIFEST = join(ROOT, 'oclif.manifest.json')
const COMPILE_TIMEOUT_MS = 5 * 60_000
const MANIFEST_TIMEOUT_MS = 60_000
const PAGE = join(ROOT, 'apps', 'exchange', 'web', 'public', 'service-worker.js')
const PAGE_TIMEOUT_MS = 2 * 60_000
const BUNDLER = join(ROOT, 'packaging', 'setup', 'bundle.mjs')
const BUNDLE_TIMEOUT_MS = 60_000

/** Every TypeScript project here, creo itself first because plugins use its types. */
export function projects() {
  const plugins = join(ROOT, 'plugins')
  const names = existsSync(plugins) ? readdirSync(plugins).sort() : []
  return ['.', ...names.filter((name) => existsSync(join(plugins, name, 'tsconfig.json'))).map((name) => join('plugins', name))]
}

/** Compiles what has changed, one project after the other: the compiler would start them all at once. Answers the exit code of the compiler, whose findings are on stderr. */
export async function compile(node) {
  const env = toolEnvironment()
  const compiler = join(NODE_MODULES, 'typescript', 'bin', 'tsc')
  for (const project of projects()) {
    const {exitCode} = await run(node, [compiler, '-b', project], {cwd: ROOT, env, timeoutMs: COMPILE_TIMEOUT_MS})
    if (exitCode !== 0) return exitCode
  }
  const page = await buildPage(node, env)
  if (page !== 0) return page
  await writeManifest(node, env)
  await writeBundle(node, env)
  return 0
}

/** The exchange's page, which its app deploys as files. Answers the exit code of its types and of its build. */
async function buildPage(node, env) {
  if (isPageFresh()) return 0
  const steps = [
    [join(NODE_MODULES, 'typescript', 'bin', 'tsc'), '-p', 'web'],
    [join(NODE_MODULES, 'vite', 'bin', 'vite.js'), 'build', 'web']
  ]
  for (const step of steps) {
    const {exitCode} = await run(node, step, {cwd: ROOT, env, timeoutMs: PAGE_TIMEOUT_MS})
    if (exitCode !== 0) return exitCode
  }
  return 0
}

function isPageFresh() {
  const inputs = [
    newestMs(join(ROOT, 'web')),
    newestMs(join(ROOT, 'src', 'core')),
    newestMs(join(ROOT, 'src', 'app-client')),
    newestMs(join(ROOT, 'package-lock.json'))
  ]
  return Math.max(...inputs) < (statSync(PAGE, {throwIfNoEntry: false})?.mtimeMs ?? 0)
}

/** The bundle that `bin/run.js` starts from in a third of the time; without one creo works the same, so a failure here is said and survived too. */
async function writeBundle(node, env) {
  if (!existsSync(MANIFEST) || isBundleFresh()) return
  const {exitCode, output} = await run(node, [BUNDLER], {cwd: ROOT, env, quiet: true, timeoutMs: BUNDLE_TIMEOUT_MS})
  if (exitCode !== 0) say(`The bundle could not be made, so creo starts slower: ${output.trim().split('\n').slice(-3).join(' ')}`)
}

function isBundleFresh() {
  const compiled = projects().map((project) => join(ROOT, project, 'dist', '.tsbuildinfo'))
  const inputs = [...compiled, MANIFEST, BUNDLER, join(ROOT, 'package.json'), join(ROOT, 'package-lock.json')]
  const bundledMs = statSync(join(ROOT, 'bundle', 'cli', 'main.js'), {throwIfNoEntry: false})?.mtimeMs ?? 0
  return inputs.every((path) => (statSync(path, {throwIfNoEntry: false})?.mtimeMs ?? 0) <= bundledMs)
}

/**
 * oclif's manifest saves it from loading every command at start. It is made anew when a compiled command is newer than it;
 * without one creo works the same, only slower, so a failure here is said and survived.
 */
async function writeManifest(node, env) {
  if (existsSync(MANIFEST) && statSync(MANIFEST).mtimeMs >= newestMs(join(ROOT, 'dist', 'commands'))) return
  rmSync(MANIFEST, {force: true})
  const oclif = join(NODE_MODULES, 'oclif', 'bin', 'run.js')
  const {exitCode, output} = await run(node, [oclif, 'manifest', ROOT], {cwd: ROOT, env, quiet: true, timeoutMs: MANIFEST_TIMEOUT_MS})
  if (exitCode === 0) return
  rmSync(MANIFEST, {force: true})
  say(`The command manifest could not be made, so creo starts slower: ${output.trim().split('\n').slice(-3).join(' ')}`)
}

function newestMs(folder) {
  if (!existsSync(folder)) return 0
  if (!statSync(folder).isDirectory()) return statSync(folder).mtimeMs
  const entries = readdirSync(folder, {withFileTypes: true})
  return Math.max(statSync(folder).mtimeMs, ...entries.map((entry) => newestMs(join(folder, entry.name))))
}
