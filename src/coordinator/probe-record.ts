import {z} from 'zod'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {nodeIdSchema} from '../core/protocol/scalars.ts'
import {type NodeProbes, PROBED_NODES_MAX} from '../core/protocol/work-probes.ts'
import type {Log} from '../telemetry/log.ts'

/** Of a node's answers the last so many are remembered, for a week after the newest: of few probes an epoch, hardly any is of a given node. */
const REMEMBERED = 20
const REMEMBERED_MS = 7 * 24 * 3_600_000
const FILE_BYTES_MAX = 2 ** 20

const recordSchema = z.strictObject({
  v: z.literal(1),
  /** Node, its answers from the oldest on, and when the newest came: the node asked longest ago first. */
  nodes: z
    .array(
      z.tuple([
        nodeIdSchema,
        z
          .string()
          .max(REMEMBERED)
          .regex(/^[01]+$/),
        z.int().min(0)
      ])
    )
    .max(PROBED_NODES_MAX)
})

interface Answers {
  /** A digit each: 1 for a good one, 0 for one that failed. */
  readonly digits: string
  readonly atMs: number
}

/** How each node answered blind probes lately, in a file: neither a stop of the coordinator nor its crash forgives anybody. */
export class ProbeRecord {
  readonly #path: string
  /** The one asked longest ago first. */
  readonly #answers: Map<string, Answers>

  private constructor(path: string, answers: Map<string, Answers>) {
    this.#path = path
    this.#answers = answers
  }

  /** A file that can't be read is as one that is not there, and the log says so: nobody has been asked yet then. */
  static async open(path: string, log: Log): Promise<ProbeRecord> {
    try {
      const bytes = await readFileIfThere(path, FILE_BYTES_MAX)
      const nodes = bytes === undefined ? [] : recordSchema.parse(JSON.parse(bytes.toString())).nodes
      return new ProbeRecord(path, new Map(nodes.map(([node, digits, atMs]) => [node, {digits, atMs}])))
    } catch (error) {
      log.warn({err: error, file: path}, 'what blind probes found until now cannot be read: it begins anew')
      return new ProbeRecord(path, new Map())
    }
  }

  count(node: string, isGood: boolean, atMs: number): void {
    const digits = `${this.#answers.get(node)?.digits ?? ''}${isGood ? 1 : 0}`.slice(-REMEMBERED)
    this.#answers.delete(node)
    this.#answers.set(node, {digits, atMs})
    const [longestAgo = ''] = this.#answers.keys()
    if (this.#answers.size > PROBED_NODES_MAX) this.#answers.delete(longestAgo)
  }

  /** By node id. */
  lately(nowMs: number): NodeProbes[] {
    for (const [node, {atMs}] of this.#answers) if (atMs < nowMs - REMEMBERED_MS) this.#answers.delete(node)
    const all = [...this.#answers].map(([node, {digits}]) => {
      const good = digits.replaceAll('0', '').length
      return {node, good, failed: digits.length - good}
    })
    return all.sort((a, b) => (a.node < b.node ? -1 : 1))
  }

  async save(): Promise<void> {
    const nodes = [...this.#answers].map(([node, {digits, atMs}]) => [node, digits, atMs])
    await writeFileDurably(this.#path, JSON.stringify({v: 1, nodes}))
  }
}
