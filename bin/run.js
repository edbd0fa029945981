#!/usr/bin/env node
import {existsSync, lstatSync, mkdirSync, readFileSync, statSync} from 'node:fs'
import * as module from 'node:module'
import {homedir} from 'node:os'
import {join, resolve} from 'node:path'

/** Keep in step with `engines` in package.json. */
const NODE_MIN = [22, 19]
const root = new URL('../', import.meta.url)
const args = process.argv.slice(2)
const ROLE = /^(mine start|(gateway|coordinator) serve)$/

/** Refuses before anything else is imported: native modules crash without a word on an old Node. */
function refuse(code, message, hint) {
  if (args.includes('--json')) console.log(JSON.stringify({error: {code, message, hint}}, null, 2))
  else console.error(` ›   Error: ${message}\n ›   Code: ${code}\n ›   Try this: ${hint}`)
  process.exitCode = code === 'node_too_old' ? 2 : 1
}

/** `--version` alone answers without loading the command framework; the words are the framework's own. */
function printVersion() {
  const {name, version} = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
  console.log(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}`)
}

/**
 * Keeps compiled code for the next start, in a folder that nobody else can write: Node's own choice below /tmp could be made by another user first, who
 * would then run code as us, and who can write a folder above it could put another in its place. Without such a folder creo starts the same, only slower. It holds one file for each that was loaded, which the next version replaces.
 */
function keepCompiled() {
  try {
    const home = process.env.XDG_CACHE_HOME ? resolve(process.env.XDG_CACHE_HOME) : join(process.env.HOME ?? homedir(), '.cache')
    const folder = join(home, 'creo', 'compiled')
    for (const level of [home, join(home, 'creo'), folder]) if (!existsSync(level)) mkdirSync(level, {mode: 0o700})
    // Where the user's own cache lies is theirs to arrange, by a link or for a group of theirs.
    if (isOurs(statSync(home), 0o02) && isOurs(lstatSync(join(home, 'creo')), 0o22) && isOurs(lstatSync(folder), 0o77))
      module.enableCompileCache?.(folder)
  } catch {
    // A home that can't be written is no reason to fail.
  }
}

/** A folder of this user in which nobody else may do what these bits of its mode say. */
function isOurs(found, bits) {
  return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & bits) === 0
}

/**
 * Where the compiled program is loaded from: the bundle, unless something was compiled since it was made, or CREO_BUNDLE=off asks for the single files.
 * Undefined when nothing was compiled.
 */
function programFolder() {
  const [bundle, dist] = [new URL('bundle/', root), new URL('dist/', root)]
  const [bundledMs, compiledMs] = [bundle, dist].map((folder) => statSync(new URL('cli/main.js', folder), {throwIfNoEntry: false})?.mtimeMs)
  if (compiledMs === undefined) return bundledMs === undefined ? undefined : bundle
  if (bundledMs === undefined || process.env.CREO_BUNDLE === 'off') return dist
  const builds = ['dist', 'plugins/runtime-podman/dist', 'plugins/runtime-containerd/dist'].map(
    (folder) => new URL(`${folder}/.tsbuildinfo`, root)
  )
  const isStale = builds.some((file) => (statSync(file, {throwIfNoEntry: false})?.mtimeMs ?? 0) > bundledMs)
  return isStale ? dist : bundle
}

/** Undefined, and said so, when files of an earlier or half a build lie in the folder. */
async function loaded(folder) {
  try {
    const command = args.slice(0, 2).join(' ')
    // Roles rest for weeks, on machines that are lent or small.
    if (ROLE.test(command)) (await import(new URL('cli/lean-process.js', folder))).startLean(command)
    return await import(new URL('cli/main.js', folder))
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' && !(error instanceof SyntaxError)) throw error
    refuse('failed', `What creo was compiled to does not fit together: ${error.message}.`, 'npm run build')
    return undefined
  }
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
  refuse(
    'node_too_old',
    `creo needs Node ${NODE_MIN.join('.')} or newer; this is ${process.versions.node}.`,
    'npm start in a checkout of creo, which brings its own Node.'
  )
} else if (args.length === 1 && args[0] === '--version') {
  printVersion()
} else {
  const folder = programFolder()
  if (folder === undefined) refuse('failed', 'creo is not compiled yet.', 'npm run build')
  else {
    keepCompiled()
    const main = await loaded(folder)
    if (main !== undefined) await main.runCli(folder.href.endsWith('/bundle/') ? folder : root, args)
  }
}
