import {existsSync} from 'node:fs'
import {createRequire} from 'node:module'
import {basename, delimiter, dirname, isAbsolute, join} from 'node:path'
import {getAsset, getRawAsset} from 'node:sea'
import type {AppIndex} from './app-archive.ts'
import {type Refusal, refusalOf, unpackSomewhere} from './place.ts'
import type {Unpacked} from './unpack.ts'

const args = process.argv.slice(2)

/** What the packaged program runs first: has its files in the user's cache and goes on with them, as Node or as creo. */
function start(): void {
  const index = JSON.parse(getAsset('index', 'utf8')) as AppIndex
  const packed = {
    index,
    content: () => new Uint8Array(getRawAsset('content')),
    executable: process.execPath,
    withTools: isNode() || args[0]?.startsWith('plugins') === true
  }
  let place: Unpacked
  try {
    place = unpackSomewhere(packed)
  } catch (error) {
    refuse(refusalOf(error, index))
    return
  }
  if (isNode()) process.execve?.(place.node, [process.argv[0] ?? 'node', ...args], process.env)
  else runCreo(place)
}

/** Called by Node's name, or with a script: whoever starts `process.execPath` or `node` means Node. */
function isNode(): boolean {
  const [script] = args
  return basename(process.argv0) === 'node' || (script !== undefined && isAbsolute(script) && existsSync(script))
}

function runCreo({app, node}: Unpacked): void {
  const program = join(app, 'bin', 'run.js')
  process.env.CREO_PACKAGED = process.execPath
  // An empty part would mean the folder that one is in.
  process.env.PATH = [dirname(node), process.env.PATH].filter(Boolean).join(delimiter)
  process.execPath = node
  process.argv[0] = node
  process.argv[1] = program
  // A real file, so that what it imports are real files too.
  const load = createRequire(program)(join(app, 'load.cjs')) as (path: string) => Promise<unknown>
  void load(program)
}

function refuse({code, message, hint}: Refusal): void {
  if (args.includes('--json')) console.log(JSON.stringify({error: {code, message, hint}}, null, 2))
  else console.error(` ›   Error: ${message}\n ›   Code: ${code}\n ›   Try this: ${hint}`)
  process.exitCode = 1
}

start()
