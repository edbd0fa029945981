import type {CreoError} from '../core/errors.ts'

/** What a developer sees of the own app, in the order in which it happens; `at` is RFC 3339. */
export type DevEvent =
  /** The functions answer for the first time, or anew after a change; `ms` since the change was seen. */
  | {readonly event: 'answers'; readonly url: string; readonly revisions: readonly DevRevision[]; readonly ms: number}
  /** A change could not be taken up: what served goes on. */
  | {readonly event: 'failed'; readonly error: CreoError}
  | {readonly event: 'warning'; readonly message: string}
  /** One line of a function, or what the node says of it (`failure` is its class). */
  | {readonly event: 'log'; readonly at: string; readonly function: string | null; readonly line: string; readonly failure: string | null}
  | ({readonly event: 'request'} & SeenRequest)

export interface DevRevision {
  readonly function: string
  readonly revision: string
}

/** A request as the gateway answered it; `function` is empty when none was found. */
export interface SeenRequest {
  readonly at: string
  readonly method: string
  readonly path: string
  readonly status: number
  readonly ms: number
  readonly function: string
}
