import {CreoError} from '../core/errors.ts'
import {executableArchitecture} from './elf.ts'
import {listFolder} from './folder-entries.ts'
import {type Layer, packLayer} from './layer.ts'
import type {LayerCache} from './layer-cache.ts'
import type {Architecture} from './oci.ts'
import type {TarEntry} from './tar-writer.ts'

/** Dependencies change seldom: in a layer of their own they are neither packed nor sent again when the code changes. */
const SELDOM_CHANGED: ReadonlySet<string> = new Set(['node_modules', 'site-packages', 'vendor'])
/** What is in such a folder at the top lands beside it, in the image of that architecture alone. */
const OF_ARCHITECTURE: Readonly<Record<string, Architecture>> = {'linux-amd64': 'amd64', 'linux-arm64': 'arm64'}
export const ARCHITECTURE_FOLDERS = Object.keys(OF_ARCHITECTURE)
/** The part of a folder that is in none of its other layers. */
const REST = '.'

export interface FolderLayer extends Layer {
  /** `node_modules`, `linux-arm64` and the like, or `.` for all the rest. */
  readonly part: string
  /** Undefined for what is in the image of every architecture. */
  readonly architecture: Architecture | undefined
}

interface Part {
  readonly name: string
  readonly architecture: Architecture | undefined
  readonly entries: TarEntry[]
}

export interface PackedFolder {
  /** What changes seldom first. */
  readonly layers: readonly FolderLayer[]
  /** The architectures that the folder can run on: those it has programs for. */
  readonly architectures: readonly Architecture[]
}

/**
 * Packs a folder as layers below `prefix`. The same files give the same digests whenever, wherever and by whomever they are packed.
 * @param program the path in the folder of what the image starts, if it is in the folder.
 * @throws {CreoError} `build_failed` as `listFolder` does, and when a program is for another architecture than its folder's name says.
 */
export async function packFolder(options: {
  readonly folder: string
  /** Beside the folder's own files, below folders that it has. */
  readonly more?: readonly TarEntry[]
  readonly prefix: string
  readonly program: string | undefined
  /** Those asked for. */
  readonly architectures: readonly Architecture[]
  readonly layoutDirectory: string
  readonly cache?: LayerCache | undefined
  readonly signal: AbortSignal
}): Promise<PackedFolder> {
  const parts = partsOf([...(await listFolder(options.folder, options.signal)), ...(options.more ?? [])])
  const architectures = await runsOn(parts, options.program, options.architectures)
  const parents = parentsOf(options.prefix)
  const layers: FolderLayer[] = []
  for (const {name, architecture, entries} of parts) {
    if (architecture !== undefined && !architectures.includes(architecture)) continue
    const below = entries.map((entry) => ({...entry, path: `${options.prefix}/${entry.path}`}))
    const layer = await packLayer({...options, entries: [...parents, ...below], compression: 'gzip'})
    layers.push({...layer, part: name, architecture})
  }
  return {layers, architectures}
}

function partsOf(entries: readonly TarEntry[]): readonly Part[] {
  const parts = new Map<string, Part>()
  const partNamed = (name: string): Part => {
    const part = parts.get(name) ?? {name, architecture: OF_ARCHITECTURE[name], entries: []}
    parts.set(name, part)
    return part
  }
  const tops = new Set(entries.flatMap(({type, path}) => (type === 'directory' || !path.includes('/') ? [] : [topOf(path)])))
  for (const entry of entries) {
    const top = topOf(entry.path)
    if (!tops.has(top)) partNamed(REST).entries.push(entry)
    else if (top in OF_ARCHITECTURE) partNamed(top).entries.push(...lifted(entry, top))
    else partNamed(SELDOM_CHANGED.has(top) ? top : REST).entries.push(entry)
  }
  if (parts.size === 0) partNamed(REST)
  return [...parts.values()].sort((a, b) => orderOf(a) - orderOf(b) || (a.name < b.name ? -1 : 1))
}

function topOf(path: string): string {
  return path.split('/', 1)[0] ?? path
}

function lifted(entry: TarEntry, top: string): TarEntry[] {
  return entry.path === top ? [] : [{...entry, path: entry.path.slice(top.length + 1)}]
}

function orderOf({name, architecture}: Part): number {
  if (architecture !== undefined) return 2
  return name === REST ? 1 : 0
}

function parentsOf(prefix: string): readonly TarEntry[] {
  const names = prefix.split('/')
  return names.map((_, depth) => ({type: 'directory', path: names.slice(0, depth + 1).join('/'), mode: 0o755}))
}

/** A script runs wherever its base does; a program of machine code where it was compiled for. */
async function runsOn(
  parts: readonly Part[],
  program: string | undefined,
  asked: readonly Architecture[]
): Promise<readonly Architecture[]> {
  const special = parts.filter((part) => part.architecture !== undefined)
  for (const part of special) {
    const found = await architectureOf(part, program)
    if (found === undefined || found === part.architecture) continue
    throw new CreoError('build_failed', `"${part.name}/${program}" is a program for ${found}.`, {
      hint: `Compile it for ${part.architecture}, or put it into linux-${found}.`
    })
  }
  if (special.length > 0) return asked.filter((one) => special.some((part) => part.architecture === one))
  const rest = parts.find((part) => part.name === REST)
  const only = rest === undefined ? undefined : await architectureOf(rest, program)
  return only === undefined ? asked : asked.filter((one) => one === only)
}

async function architectureOf(part: Part, program: string | undefined): Promise<string | undefined> {
  const entry = part.entries.find((one) => one.path === program)
  return entry?.type === 'file' ? await executableArchitecture(entry.content()) : undefined
}
