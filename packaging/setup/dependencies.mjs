import {createHash} from 'node:crypto'
import {existsSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {findProgram, run} from './child.mjs'
import {CREO_NODE, NODE_MODULES, PINNED_NODE, ROOT} from './places.mjs'
import {say, step} from './say.mjs'

const STAMP = join(NODE_MODULES, '.creo-setup')
const INSTALL_TRIES = 3
const INSTALL_TIMEOUT_MS = 8 * 60_000

/** Installs what package-lock.json names, unless that very lock file was installed before on this platform. Says which Node will run creo. */
export async function ensureDependencies() {
  const stamp = lockStamp()
  if (readStamp() !== stamp) {
    await step('Installing dependencies', installWithRetries)
    writeFileSync(STAMP, stamp)
  }
  return creoNode()
}

/** The Node that creo runs on: the pinned one, or ours where no pinned one exists and ours is new enough. */
function creoNode() {
  if (existsSync(PINNED_NODE)) return PINNED_NODE
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > CREO_NODE[0] || (major === CREO_NODE[0] && minor >= CREO_NODE[1])) return process.execPath
  throw new Error(
    `No pinned Node for ${process.platform}-${process.arch}, and this is Node ${process.versions.node}. Install Node ${CREO_NODE.join('.')} or newer.`
  )
}

function lockStamp() {
  const lock = readFileSync(join(ROOT, 'package-lock.json'))
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform}-${process.arch}\n`
}

function readStamp() {
  try {
    return readFileSync(STAMP, 'utf8')
  } catch {
    return undefined
  }
}

async function installWithRetries() {
  for (let attempt = 1; attempt <= INSTALL_TRIES; attempt += 1) {
    const {exitCode} = await install()
    if (exitCode === 0) return
    if (attempt < INSTALL_TRIES) say(`npm ci failed (exit code ${exitCode}); trying again.`)
  }
  throw new Error(
    'The dependencies could not be installed; npm said why above. Check that its registry can be reached, then run the same command again.'
  )
}

/**
 * No package needs an install script (prebuilt binaries are inside the packages), so none runs: a `nodedir` in the user's
 * npm settings, which belongs to another Node, then can't break anything. npm and Node must not come from the folder that
 * is being replaced.
 */
function install() {
  const args = [
    'ci',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--no-progress'
  ]
  const ours = (path) => path.startsWith(NODE_MODULES)
  const calledBy = process.env.npm_execpath
  const options = {cwd: ROOT, env: withoutNpmScriptVariables(), timeoutMs: INSTALL_TIMEOUT_MS}
  if (calledBy && !ours(calledBy) && /\.c?js$/.test(calledBy)) {
    return run(findProgram('node', {skip: ours}) ?? process.execPath, [calledBy, ...args], options)
  }
  return run(findProgram('npm', {skip: ours}) ?? 'npm', args, options)
}

/** npm hands its own settings to its scripts as `npm_config_*` (loglevel=silent among them); the inner npm reads them afresh. */
function withoutNpmScriptVariables() {
  const kept = Object.entries(process.env).filter(([name]) => !/^npm_(config_loglevel|config_nodedir|lifecycle|package)/i.test(name))
  const env = Object.fromEntries(kept)
  env.PATH = (env.PATH ?? '')
    .split(':')
    .filter((folder) => !folder.startsWith(NODE_MODULES))
    .join(':')
  return env
}
