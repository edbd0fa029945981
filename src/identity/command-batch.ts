import {hash} from 'node:crypto'
import type {BatchPlace} from '../core/protocol/commands.ts'

/** What leaves and inner nodes are hashed with in front, so that none can pass for the other (RFC 9162, 2.1.1). */
const LEAF = Buffer.of(0)
const NODE = Buffer.of(1)

/** The root over the signed texts of a batch, hex, and where each of them is in it. */
export interface BatchTree {
  readonly root: string
  readonly places: readonly BatchPlace[]
}

/** The Merkle tree of RFC 9162 over the texts that would be signed one by one; at least one. */
export function batchTree(texts: readonly string[]): BatchTree {
  const levels = [texts.map(leafHash)]
  for (let below = levels[0] ?? []; below.length > 1; below = levels.at(-1) ?? []) levels.push(levelAbove(below))
  const places = texts.map((_text, index) => ({index, size: texts.length, path: pathOf(levels, index)}))
  return {root: levels.at(-1)?.[0]?.toString('hex') ?? '', places}
}

/** The root that a text at this place leads to; undefined where such a tree has no such place. */
export function batchRoot(text: string, {index, size, path}: BatchPlace): string | undefined {
  if (index >= size) return undefined
  let node = leafHash(text)
  let used = 0
  for (let [at, width] = [index, size]; width > 1; [at, width] = [at >> 1, (width + 1) >> 1]) {
    // The last one of an odd number has nobody beside it, and is its own parent.
    if ((at ^ 1) >= width) continue
    const beside = path[used]
    if (beside === undefined) return undefined
    used += 1
    const other = Buffer.from(beside, 'base64url')
    node = at % 2 === 0 ? parentHash(node, other) : parentHash(other, node)
  }
  return used === path.length ? node.toString('hex') : undefined
}

function pathOf(levels: readonly (readonly Buffer[])[], index: number): string[] {
  return levels.flatMap((level, height) => level[(index >> height) ^ 1]?.toString('base64url') ?? [])
}

function levelAbove(below: readonly Buffer[]): Buffer[] {
  return Array.from({length: (below.length + 1) >> 1}, (_none, at) => {
    const [left, right] = below.slice(2 * at, 2 * at + 2)
    return left !== undefined && right !== undefined ? parentHash(left, right) : (left ?? Buffer.alloc(0))
  })
}

function leafHash(text: string): Buffer {
  return hash('sha256', Buffer.concat([LEAF, Buffer.from(text)]), 'buffer')
}

function parentHash(left: Buffer, right: Buffer): Buffer {
  return hash('sha256', Buffer.concat([NODE, left, right]), 'buffer')
}
