import {LRUCache} from 'lru-cache'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import type {LedgerReads, NodeView} from '../ledger/port.ts'

const NODES_MAX = 50_000
const REVISIONS_MAX = 50_000

/** What never changes once the ledger has it, read once: each table and each signed request of a node asks for it. */
export class LastingReads {
  readonly #reads: LedgerReads
  readonly #nodes = new LRUCache<string, NodeView>({max: NODES_MAX})
  readonly #nodeIds = new LRUCache<string, string>({max: NODES_MAX})
  readonly #revisions = new LRUCache<string, RevisionEntry>({max: REVISIONS_MAX})

  constructor(reads: LedgerReads) {
    this.#reads = reads
  }

  node(id: string): NodeView | undefined {
    return this.#nodes.get(id) ?? this.#keep(this.#reads.node(id))
  }

  /** The public key of a node, by the key's id. */
  nodeKey(keyId: string): string | undefined {
    const id = this.#nodeIds.get(keyId)
    if (id !== undefined) return this.node(id)?.publicKey
    const node = this.#keep(this.#reads.nodeByKey(keyId))
    if (node !== undefined) this.#nodeIds.set(keyId, node.id)
    return node?.publicKey
  }

  /** What tables say of a revision, traffic and tags left out. */
  revision(id: string): RevisionEntry | undefined {
    const known = this.#revisions.get(id)
    if (known !== undefined) return known
    const read = this.#reads.revision(id)
    if (read === undefined) return undefined
    const {org, app, function: name, imageDigest, spec} = read
    const entry = {id, org, app, function: name, imageDigest, spec}
    this.#revisions.set(id, entry)
    return entry
  }

  #keep(node: NodeView | undefined): NodeView | undefined {
    if (node !== undefined) this.#nodes.set(node.id, node)
    return node
  }
}
