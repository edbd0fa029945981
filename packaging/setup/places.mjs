import {delimiter, join} from 'node:path'
import {fileURLToPath} from 'node:url'

/** The folder that holds package.json. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
export const NODE_MODULES = join(ROOT, 'node_modules')
/** Working files of this checkout that git ignores. */
export const STATE = join(ROOT, '.creo')

/** Oldest Node that can run these scripts, and the oldest that can run creo (package.json `engines`). */
const SET_UP_NODE_MAJOR = 18
export const CREO_NODE = [22, 19]

export const PINNED_NODE = join(NODE_MODULES, `node-linux-${process.arch}`, 'bin', 'node')

/** The environment of everything started after the set-up: the pinned Node and the pinned tools come first. */
export function toolEnvironment(extra = {}) {
  const folders = [join(NODE_MODULES, `node-linux-${process.arch}`, 'bin'), join(NODE_MODULES, '.bin')]
  return {...process.env, PATH: [...folders, process.env.PATH ?? ''].join(delimiter), ...extra}
}

/** Ends this process with one sentence when its own Node is too old even for the set-up. */
export function refuseOldNode() {
  if (Number(process.versions.node.split('.')[0]) >= SET_UP_NODE_MAJOR) return
  process.stderr.write(`This is Node ${process.versions.node}; the set-up of creo needs Node ${SET_UP_NODE_MAJOR} or newer.\n`)
  process.exit(2)
}
