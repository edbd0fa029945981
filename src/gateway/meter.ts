import type {MeteredWork} from '../core/metering.ts'
import type {ReceiptProposal} from '../core/protocol/receipts.ts'
import type {KeyPair} from '../identity/keys.ts'
import {gatewayIdOf, sha256Hex} from '../identity/keys.ts'
import {openProposal, type SignedProposal, signProposal} from '../identity/receipts.ts'
import {type Counter, type MeterFiles, type OpenWindow, readMeterFiles} from './meter-file.ts'

/** Longest window of a receipt. */
const WINDOW_MAX_MS = 3_600_000
/** Proposals that wait for a miner's signature. The oldest is dropped beyond this: its work stays unpaid. */
const PENDING_MAX = 100_000
/**
 * Proposals of a window that ended so long ago are dropped. A lease lasts for seven days, and its node forgets it two days after its
 * end: from then on nobody would sign.
 */
export const PROPOSAL_MEMORY_MS = 9 * 24 * 3_600_000

/** Whose work it is. */
export interface WorkOf {
  readonly node: string
  readonly revision: string
  readonly lease: string
}
export type Work = Partial<Pick<Counter, 'requests' | 'requestsFailed' | 'mibMs' | 'bytesIn' | 'bytesOut'>>

/** Time in which a node stood by for a lease, within a window. */
export interface Stood {
  readonly startMs: number
  readonly windowMs: number
  readonly standbyMs: number
}

export interface PendingProposal extends SignedProposal {
  readonly node: string
  readonly sha256: string
}

export interface MeterOptions {
  readonly directory: string
  readonly network: string
  readonly key: KeyPair
  readonly now: () => number
  readonly monotonicMs: () => number
  /** Told about work that was counted towards a lease, every second and whenever it may have used up the lease's budget. */
  onWork(of: WorkOf, work: MeteredWork): void
  /** So many requests of this lease must not go by before `onWork` is told of them. */
  requestsLeft(of: WorkOf): number
}

interface Unreported {
  readonly of: WorkOf
  requests: number
  mibMs: number
  readonly requestsMax: number
}

interface Pending extends PendingProposal {
  /** Window whose file it is kept in. */
  readonly file: number
  readonly windowEndMs: number
}

/**
 * Counts work by lease, and turns it into signed proposals at the end of a window. A crash loses at most what was counted since
 * the last `save`; a window's number is on disk before anything is proposed under it, so it is never used for other work.
 */
export class Meter {
  readonly #options: MeterOptions
  readonly #files: MeterFiles
  readonly #gateway: string
  /** Oldest window first. */
  readonly #pending = new Map<string, Pending>()
  /** How many of a file's proposals are pending. */
  readonly #pendingInFile = new Map<number, number>()
  readonly #onSettled = new Set<() => void>()
  readonly #totals: Map<string, number>
  #counters = new Map<string, Counter>()
  #unreported = new Map<string, Unreported>()
  #window: number
  #startMs: number
  #startMonotonicMs: number
  #dirty = false
  #writing: Promise<unknown> = Promise.resolve()

  private constructor(options: MeterOptions, files: MeterFiles, kept: {readonly window: number; readonly totals: OpenWindow['totals']}) {
    this.#options = options
    this.#files = files
    this.#gateway = gatewayIdOf(options.key.publicKey)
    this.#window = kept.window
    this.#totals = new Map(Object.entries(kept.totals))
    this.#startMs = options.now()
    this.#startMonotonicMs = options.monotonicMs()
  }

  /** Takes up what an earlier process left: its open counters become proposals at once. */
  static async open(options: MeterOptions): Promise<Meter> {
    const {files, open, proposals} = await readMeterFiles(options.directory)
    const lastProposed = Math.max(-1, ...[...proposals.values()].flat().map((signed) => openProposal(signed.proposal).window))
    const meter = new Meter(options, files, {window: Math.max(open?.window ?? 0, lastProposed + 1), totals: open?.totals ?? {}})
    for (const [file, signed] of proposals) meter.#keep(file, signed)
    const proposed = open === undefined ? undefined : proposals.get(open.window)
    if (proposed !== undefined) {
      // Killed between the two writes of `closeWindow`: what was counted, also after the last save, is proposed already.
      for (const {proposal} of proposed) meter.#addTotal(openProposal(proposal))
    } else if (open !== undefined && open.counters.length > 0) {
      meter.#counters = new Map(open.counters.map((counter) => [keyOf(counter), counter]))
      await meter.#close(open.startMs, open.durationMs)
    }
    // The next number is on disk before a file that shows the last one may go.
    await files.saveOpen(meter.#openWindow())
    await meter.#forgetOldest()
    return meter
  }

  count(of: WorkOf, work: Work): void {
    const key = keyOf(of)
    let counter = this.#counters.get(key)
    if (counter === undefined) {
      const {node, revision, lease} = of
      counter = {node, revision, lease, requests: 0, requestsFailed: 0, mibMs: 0, bytesIn: 0, bytesOut: 0}
      this.#counters.set(key, counter)
    }
    counter.requests += work.requests ?? 0
    counter.requestsFailed += work.requestsFailed ?? 0
    counter.mibMs += work.mibMs ?? 0
    counter.bytesIn += work.bytesIn ?? 0
    counter.bytesOut += work.bytesOut ?? 0
    this.#dirty = true
    this.#report(key, of, work)
  }

  /** Puts the open counters on stable storage. Called every second. */
  save(): Promise<void> {
    return this.#serially(async () => {
      for (const {of, requests, mibMs} of this.#unreported.values()) this.#options.onWork(of, {requests, mibMs})
      this.#unreported = new Map()
      if (!this.#dirty) return
      this.#dirty = false
      await this.#files.saveOpen(this.#openWindow())
    })
  }

  /** Ends the window and answers the new proposals, which are on disk by then. */
  closeWindow(): Promise<readonly PendingProposal[]> {
    return this.#serially(async () => {
      const proposed = await this.#close(this.#startMs, this.#elapsedMs())
      await this.#forgetOldest()
      return proposed
    })
  }

  /** Proposes time that a node stood by for, in windows of its own; they are on disk when this resolves. */
  proposeStandby(of: WorkOf, stood: Stood): Promise<readonly PendingProposal[]> {
    return this.#serially(async () => {
      const pieces = standbyPieces(stood)
      const first = this.#window
      this.#window += pieces.length
      // Reserved before they are used: a crash between the two writes leaves numbers unused, and counts nothing as proposed that is not.
      await this.#files.saveOpen(this.#openWindow())
      const {network, key} = this.#options
      const {node, revision, lease} = of
      const none = {requests: 0, requestsFailed: 0, mibMs: 0, bytesIn: 0, bytesOut: 0}
      const signed = pieces.map((piece, index) => {
        const head = {v: 'creo-receipt-v1', network, gateway: this.#gateway, window: first + index} as const
        return signProposal({...head, node, revision, lease, ...none, ...piece}, key)
      })
      await this.#files.saveProposals(first, signed)
      this.#options.onWork(of, {requests: 0, mibMs: 0, standbyMs: stood.standbyMs})
      return this.#keep(first, signed)
    })
  }

  /** What a node has not signed yet, oldest first. */
  pendingOf(node: string): readonly PendingProposal[] {
    return [...this.#pending.values()].filter((pending) => pending.node === node)
  }

  get pendingCount(): number {
    return this.#pending.size
  }

  /** Forgets a proposal that its node has signed or refused. @returns whether it was pending. */
  settle(node: string, sha256: string): Promise<boolean> {
    return this.#serially(async () => {
      const pending = this.#pending.get(sha256)
      if (pending?.node !== node) return false
      const dropped = this.#drop(pending)
      for (const done of [...this.#onSettled]) done()
      await dropped
      return true
    })
  }

  /** Resolves when the next proposal is settled, or when the signal fires. */
  settled(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        this.#onSettled.delete(done)
        resolve()
      }
      this.#onSettled.add(done)
      signal.addEventListener('abort', done, {once: true})
      if (signal.aborted) done()
    })
  }

  /** Requests answered by functions, of all windows and of earlier processes. */
  totalRequests(revision: string): number {
    let total = this.#totals.get(revision) ?? 0
    for (const counter of this.#counters.values()) if (counter.revision === revision) total += counter.requests
    return total
  }

  async #close(startMs: number, durationMs: number): Promise<readonly PendingProposal[]> {
    const counters = [...this.#counters.values()]
    const first = this.#window
    this.#counters = new Map()
    this.#startMs = this.#options.now()
    this.#startMonotonicMs = this.#options.monotonicMs()
    if (counters.length === 0) return []
    const signed = this.#sign(counters, {startMs, windowMs: Math.min(WINDOW_MAX_MS, Math.max(1, durationMs))})
    for (const counter of counters) this.#addTotal(counter)
    await this.#files.saveProposals(first, signed)
    await this.#files.saveOpen(this.#openWindow())
    return this.#keep(first, signed)
  }

  /** Two leases of one node and revision would share a receipt's id: the second one gets the next number. */
  #sign(counters: readonly Counter[], {startMs, windowMs}: {startMs: number; windowMs: number}): SignedProposal[] {
    const used = new Map<string, number>()
    const first = this.#window
    const signed = counters.map((counter) => {
      const pair = `${counter.node} ${counter.revision}`
      const window = first + (used.get(pair) ?? 0)
      used.set(pair, window - first + 1)
      this.#window = Math.max(this.#window, window + 1)
      const {network, key} = this.#options
      const head = {v: 'creo-receipt-v1', network, gateway: this.#gateway, window, windowStartMs: startMs, windowMs} as const
      const proposal: ReceiptProposal = {...head, ...counter}
      return signProposal(proposal, key)
    })
    return signed
  }

  #keep(file: number, signed: readonly SignedProposal[]): readonly PendingProposal[] {
    const kept = signed.map(({proposal, gatewaySignature}) => {
      const {node, windowStartMs, windowMs} = openProposal(proposal)
      return {proposal, gatewaySignature, node, sha256: sha256Hex(proposal), file, windowEndMs: windowStartMs + windowMs}
    })
    for (const pending of kept) this.#pending.set(pending.sha256, pending)
    if (kept.length > 0) this.#pendingInFile.set(file, kept.length)
    return kept
  }

  /** What nobody will sign any more, and what is too much to keep. */
  async #forgetOldest(): Promise<void> {
    const expiredMs = this.#options.now() - PROPOSAL_MEMORY_MS
    for (const pending of this.#pending.values()) {
      if (this.#pending.size <= PENDING_MAX && pending.windowEndMs >= expiredMs) return
      await this.#drop(pending)
    }
  }

  /** A file goes with the last of its proposals. */
  async #drop({sha256, file}: Pending): Promise<void> {
    this.#pending.delete(sha256)
    const left = (this.#pendingInFile.get(file) ?? 1) - 1
    if (left > 0) this.#pendingInFile.set(file, left)
    else {
      this.#pendingInFile.delete(file)
      await this.#files.dropProposals(file)
    }
  }

  #report(key: string, of: WorkOf, {requests = 0, mibMs = 0}: Work): void {
    if (requests === 0 && mibMs === 0) return
    let known = this.#unreported.get(key)
    if (known === undefined) {
      known = {of, requests: 0, mibMs: 0, requestsMax: this.#options.requestsLeft(of)}
      this.#unreported.set(key, known)
    }
    known.requests += requests
    known.mibMs += mibMs
    if (known.requests < known.requestsMax) return
    this.#unreported.delete(key)
    this.#options.onWork(of, known)
  }

  #addTotal(counter: Pick<Counter, 'revision' | 'requests'>): void {
    this.#totals.set(counter.revision, (this.#totals.get(counter.revision) ?? 0) + counter.requests)
  }

  #elapsedMs(): number {
    return Math.round(this.#options.monotonicMs() - this.#startMonotonicMs)
  }

  #openWindow(): OpenWindow {
    return {
      window: this.#window,
      startMs: this.#startMs,
      durationMs: this.#elapsedMs(),
      counters: [...this.#counters.values()],
      totals: Object.fromEntries(this.#totals)
    }
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#writing.then(work)
    this.#writing = done.catch(() => undefined)
    return done
  }
}

/** A receipt's window has a longest length: what is longer becomes several, none of which claims more than it lasts. */
function standbyPieces({startMs, windowMs, standbyMs}: Stood) {
  const pieces: {windowStartMs: number; windowMs: number; standbyMs: number}[] = []
  let leftMs = standbyMs
  for (let doneMs = 0; doneMs < windowMs && leftMs > 0; doneMs += WINDOW_MAX_MS) {
    const pieceMs = Math.min(WINDOW_MAX_MS, windowMs - doneMs)
    const stoodMs = Math.min(pieceMs, leftMs)
    pieces.push({windowStartMs: startMs + doneMs, windowMs: pieceMs, standbyMs: stoodMs})
    leftMs -= stoodMs
  }
  return pieces
}

/** Kept by whose work it is: an instance gives the same object for each of its requests. */
const keys = new WeakMap<WorkOf, string>()

function keyOf(of: WorkOf): string {
  let key = keys.get(of)
  if (key === undefined) {
    key = `${of.node} ${of.revision} ${of.lease}`
    keys.set(of, key)
  }
  return key
}
