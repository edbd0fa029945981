import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {type AppSource, sourcesBelow} from './app-archive.ts'

export type Architecture = 'x64' | 'arm64'
export type LockedPackage = {
  readonly version?: string
  readonly integrity?: string
  readonly license?: string
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly optional?: boolean
}
export type PackageLock = {readonly packages: Readonly<Record<string, LockedPackage>>}

/** What nobody runs: words for people, types, maps and what a compiler would need. */
const UNUSED = /(\.d\.[cm]?ts|\.map|^better-sqlite3\/(deps|src)|^npm\/(docs|man)|^[^/]+\/README\.md)$/
const ADDONS = /^better-sqlite3\/prebuilds\//
/** What the bundle has in it already. */
const BUNDLED = new Set(['dist', '!dist/.tsbuildinfo*', 'oclif.manifest.json'])
/** Packages that are not in the bundle: a native addon, and what is run as a program of its own. What they need themselves lies in them. */
export const WHOLE_PACKAGES = ['better-sqlite3', 'npm', 'yarn']

/** The files of the program for one architecture, from a checkout that is compiled and bundled. */
export function appFiles(root: string, architecture: Architecture): AppSource[] {
  const keep = (path: string): boolean => !UNUSED.test(path) && (!ADDONS.test(path) || path.endsWith(`/linux-${architecture}.node`))
  const modules = WHOLE_PACKAGES.flatMap((name) =>
    sourcesBelow(join(root, 'node_modules', name), `node_modules/${name}`, (file) => keep(`${name}/${file}`))
  )
  return [...ownFiles(root), ...modules, {from: join(root, 'packaging', 'package', 'load.cjs'), path: 'load.cjs'}]
}

/** What the program has of the checkout itself: the bundle, and what it reads beside it. */
export function ownFiles(root: string): AppSource[] {
  const {files} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {files: readonly string[]}
  return [...files.filter((path) => !BUNDLED.has(path)), 'package.json'].flatMap((path) => sourcesAt(root, path))
}

/** Whether a package of package-lock.json is in the program, bundled or as it is. */
export function isInProgram(path: string, {dev, devOptional, optional}: LockedPackage): boolean {
  return path.startsWith('node_modules/') && !dev && !devOptional && !optional
}

function sourcesAt(root: string, path: string): AppSource[] {
  const folder = join(root, path)
  const isFile = /\.(json|js|md)$/.test(path)
  return isFile ? [{from: folder, path}] : sourcesBelow(folder, path, (file) => !UNUSED.test(file))
}
