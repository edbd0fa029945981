import Database from 'better-sqlite3'
import {CreoError} from '../core/errors.ts'
import type {ConductReport, ReputationView} from '../core/protocol/conduct.ts'
import {
  decayed,
  type Evidence,
  isProven,
  jointScore,
  NO_EVIDENCE,
  nextStanding,
  type Standing,
  viewOfReputation,
  weightOf,
  withConduct
} from '../core/reputation.ts'

const BUSY_TIMEOUT_MS = 5000
/** What is known of nodes, by all gateways; beyond it a new node is not noted until something old is forgotten. */
const ROWS_MAX = 500_000
/** Evidence that is worth less says nothing any more. */
const WEIGHT_MIN = 0.5
/** How often what says nothing any more is forgotten. */
const FORGET_EVERY_MS = 3_600_000

const SCHEMA = `
CREATE TABLE IF NOT EXISTS evidence (
  node TEXT NOT NULL, gateway TEXT NOT NULL, at_ms INTEGER NOT NULL, good REAL NOT NULL, failed REAL NOT NULL, slow REAL NOT NULL,
  starts_failed REAL NOT NULL, cuts REAL NOT NULL, PRIMARY KEY (node, gateway)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reports (gateway TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS poor (node TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
`

export interface ReputationBoardOptions {
  readonly path: string
  /** The account of a node; undefined when it is not enrolled. */
  readonly ownerOf: (node: string) => string | undefined
  /** Those that the operator admits now: what others once said does not count. */
  readonly gateways: () => readonly string[]
}

type Row = Evidence & {readonly node: string; readonly gateway: string}

/** What gateways saw of nodes and how nodes stand by it: on disk when a report is answered, beside the ledger, since it moves no money. */
export class ReputationBoard {
  readonly #db: Database.Database
  readonly #options: ReputationBoardOptions
  /** By node, then by gateway. */
  readonly #evidence = new Map<string, Map<string, Evidence>>()
  readonly #poor: Set<string>
  #rows = 0
  #forgotAtMs = 0

  private constructor(db: Database.Database, options: ReputationBoardOptions) {
    this.#db = db
    this.#options = options
    const rows = db
      .prepare('SELECT node, gateway, at_ms AS atMs, good, failed, slow, starts_failed AS startsFailed, cuts FROM evidence')
      .all()
    for (const {node, gateway, ...evidence} of rows as Row[]) this.#note(node, gateway, evidence)
    this.#poor = new Set((db.prepare('SELECT node FROM poor').all() as {node: string}[]).map(({node}) => node))
  }

  /** @throws {CreoError} `data_dir_unwritable` */
  static open(options: ReputationBoardOptions): ReputationBoard {
    try {
      const db = new Database(options.path, {timeout: BUSY_TIMEOUT_MS})
      db.pragma('journal_mode = WAL')
      db.pragma('synchronous = FULL')
      db.exec(SCHEMA)
      return new ReputationBoard(db, options)
    } catch (cause) {
      throw new CreoError('data_dir_unwritable', `What gateways saw of nodes in ${options.path} can't be opened.`, {
        hint: 'Check the disk and the rights of this user; the file may be deleted, then all nodes stand as new ones.',
        cause
      })
    }
  }

  /** Takes what a gateway saw; a report that came before changes nothing. `changed` when a node's standing did. */
  record(report: ConductReport, nowMs: number): 'changed' | 'same' {
    const {gateway, untilMs, nodes} = report
    const last = this.#db.prepare('SELECT until_ms AS untilMs FROM reports WHERE gateway = ?').get(gateway) as {untilMs: number} | undefined
    if (last !== undefined && untilMs <= last.untilMs) return 'same'
    const known = nodes.filter(
      ({node}) => this.#options.ownerOf(node) !== undefined && (this.#rows < ROWS_MAX || this.#evidence.get(node)?.has(gateway))
    )
    const added = known.map(({node, ...conduct}) => {
      return {node, evidence: withConduct(this.#evidence.get(node)?.get(gateway) ?? NO_EVIDENCE, conduct, nowMs)}
    })
    this.#db
      .transaction(() => {
        this.#db.prepare('INSERT OR REPLACE INTO reports VALUES (?, ?)').run(gateway, untilMs)
        const save = this.#db.prepare(
          'INSERT OR REPLACE INTO evidence VALUES (@node, @gateway, @atMs, @good, @failed, @slow, @startsFailed, @cuts)'
        )
        for (const {node, evidence} of added) save.run({node, gateway, ...evidence})
      })
      .immediate()
    for (const {node, evidence} of added) this.#note(node, gateway, evidence)
    if (Math.abs(nowMs - this.#forgotAtMs) >= FORGET_EVERY_MS) this.#forget(nowMs)
    return this.#judge([...new Set(added.map(({node}) => node))], nowMs)
  }

  /** Those that stand poorly now, by themselves or by their owners; what was held against them may have faded. */
  poor(nowMs: number): Pick<ReadonlySet<string>, 'has'> {
    if (this.#poor.size === 0) return this.#poor
    this.#judge([...this.#poor], nowMs)
    const owners = this.#poorOwners()
    const admitted = this.#admitted()
    return {has: (node) => this.#poor.has(node) || this.#inherits(node, owners, () => this.#voices(node, nowMs, admitted))}
  }

  viewOf(node: string, nowMs: number): ReputationView {
    const voices = this.#voices(node, nowMs, this.#admitted())
    const inherited = !this.#poor.has(node) && this.#inherits(node, this.#poorOwners(), () => voices)
    return viewOfReputation(voices, inherited ? 'poor' : this.#standing(node), inherited)
  }

  close(): void {
    this.#db.close()
  }

  #admitted(): ReadonlySet<string> {
    return new Set(this.#options.gateways())
  }

  #poorOwners(): ReadonlySet<string | undefined> {
    return new Set([...this.#poor].map((node) => this.#options.ownerOf(node)))
  }

  /** A node stands as its owner's worst until it is known itself; it ends by itself, as what is held against that one fades. */
  #inherits(node: string, poorOwners: ReadonlySet<string | undefined>, voices: () => readonly Evidence[]): boolean {
    const owner = this.#options.ownerOf(node)
    return owner !== undefined && poorOwners.has(owner) && !isProven(voices())
  }

  /** By what it did itself. */
  #standing(node: string): Standing {
    return this.#poor.has(node) ? 'poor' : 'fair'
  }

  #voices(node: string, nowMs: number, admitted: ReadonlySet<string>): Evidence[] {
    const voices = [...(this.#evidence.get(node) ?? [])]
    return voices.filter(([gateway]) => admitted.has(gateway)).map(([, evidence]) => decayed(evidence, nowMs))
  }

  #judge(nodes: readonly string[], nowMs: number): 'changed' | 'same' {
    const admitted = this.#admitted()
    const changed = nodes.filter((node) => {
      return nextStanding(this.#standing(node), jointScore(this.#voices(node, nowMs, admitted))) !== this.#standing(node)
    })
    if (changed.length === 0) return 'same'
    this.#db
      .transaction(() => {
        for (const node of changed)
          this.#db.prepare(this.#poor.has(node) ? 'DELETE FROM poor WHERE node = ?' : 'INSERT INTO poor VALUES (?)').run(node)
      })
      .immediate()
    for (const node of changed) if (!this.#poor.delete(node)) this.#poor.add(node)
    return 'changed'
  }

  #note(node: string, gateway: string, evidence: Evidence): void {
    const ofNode = this.#evidence.get(node) ?? new Map<string, Evidence>()
    this.#evidence.set(node, ofNode)
    if (!ofNode.has(gateway)) this.#rows += 1
    ofNode.set(gateway, evidence)
  }

  #forget(nowMs: number): void {
    this.#forgotAtMs = nowMs
    const faded: {readonly node: string; readonly gateway: string}[] = []
    for (const [node, ofNode] of this.#evidence)
      for (const [gateway, evidence] of ofNode) if (weightOf(decayed(evidence, nowMs)) < WEIGHT_MIN) faded.push({node, gateway})
    if (faded.length === 0) return
    const remove = this.#db.prepare('DELETE FROM evidence WHERE node = @node AND gateway = @gateway')
    this.#db
      .transaction(() => {
        for (const one of faded) remove.run(one)
      })
      .immediate()
    for (const {node, gateway} of faded) {
      const ofNode = this.#evidence.get(node)
      ofNode?.delete(gateway)
      if (ofNode?.size === 0) this.#evidence.delete(node)
    }
    this.#rows -= faded.length
  }
}
