import type {JournalHead} from './journal.ts'

/** What the ledger and its two workers, the journal's and the projections', say to each other. */

export interface WorkerSettings {
  readonly journalPath: string
  readonly projectionsPath: string
  readonly networkId: string
  readonly volumeBucketMs: number
}

export type ToJournal =
  | {
      readonly type: 'append'
      readonly firstSeq: number
      readonly lastSeq: number
      readonly ruleset: string
      readonly body: Uint8Array<ArrayBuffer>
    }
  | {readonly type: 'close'}

export type ToProjections =
  /** The journal has been replayed: bring the projections up to it. */
  | {readonly type: 'catch_up'}
  /** This group is committed: it and those before it may be shown. */
  | {readonly type: 'project'; readonly number: number; readonly seq: number}
  | {readonly type: 'close'}

export type FromWorker =
  | {readonly type: 'opened'}
  | {readonly type: 'caught_up'}
  | ({readonly type: 'committed'} & JournalHead)
  | {readonly type: 'projected'; readonly lastSeq: number}
  | {readonly type: 'closed'}
  /** Nothing more is written after this. */
  | {readonly type: 'failed'; readonly code: string; readonly message: string}
