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

/** A node that a text has led to, with what stands beside the way from there on. */
interface MetNode {
  readonly node: Buffer
  readonly path: readonly string[]
  readonly used: number
  root: string | undefined
}

/**
 * Roots of the commands of one request. Texts of a batch meet on their way to its root: from a node that has been met, with the same beside it from there
 * on, the root is known. So a batch of a thousand takes two hashes a command, not eleven.
 */
export class BatchRoots {
  /** By the size of the batch, the height and the place: at most as many as the request's paths have parts. */
  readonly #met = new Map<string, MetNode>()

  /** The root that a text at this place leads to; undefined where such a tree has no such place. */
  rootOf(text: string, {index, size, path}: BatchPlace): string | undefined {
    if (index >= size) return undefined
    const passed: MetNode[] = []
    const root = this.#climb(leafHash(text), {index, size, path}, passed)
    for (const met of passed) met.root = root
    return root
  }

  #climb(leaf: Buffer, {index, size, path}: BatchPlace, passed: MetNode[]): string | undefined {
    let node = leaf
    let used = 0
    for (let [at, width] = [index, size]; width > 1; [at, width] = [at >> 1, (width + 1) >> 1]) {
      // The last one of an odd number has nobody beside it, and is its own parent.
      if ((at ^ 1) >= width) continue
      const beside = path[used]
      if (beside === undefined) return undefined
      used += 1
      const other = Buffer.from(beside, 'base64url')
      node = at % 2 === 0 ? parentHash(node, other) : parentHash(other, node)
      const name = `${size} ${width} ${at >> 1}`
      const met = this.#met.get(name)
      if (met?.node.equals(node) && isSameRest(met, path, used)) return met.root
      const passing = {node, path, used, root: undefined}
      this.#met.set(name, passing)
      passed.push(passing)
    }
    return used === path.length ? node.toString('hex') : undefined
  }
}

function isSameRest(met: MetNode, path: readonly string[], used: number): boolean {
  return met.used === used && met.path.length === path.length && path.every((part, at) => at < used || part === met.path[at])
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
