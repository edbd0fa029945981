import type {CreoError, Network, SignedCommand, WebKey} from '../../../src/app-client/client.ts'
import {codeOf} from '../parts/trouble-words.ts'
import {recall, remember} from '../remember.ts'

/** What makes this browser's key one of an account's, kept from before it is sent until its answer is known: a page that is closed in between goes on with it. */
export interface Begun {
  /** Its id; of one that is being created, its name. */
  readonly account: string
  readonly publicKey: string
  /** As `sealKey` made it. */
  readonly sealed: unknown
  readonly command: SignedCommand
  /** In the person's words. */
  readonly about: string
}

/** An account as this browser keeps it. */
export interface Kept {
  readonly account: string
  readonly name: string
  /** As `sealKey` made it; parsed when it is opened. */
  readonly sealed: unknown
}

type Keep = (kept: Kept, key: WebKey | undefined) => void

const KEY = 'begun'

/** Set by the session, which keeps what is finished. */
let keep: Keep = () => undefined
/** Of what was begun in this tab: it need not be opened again. */
let own: WebKey | undefined

export function onFinished(told: Keep): void {
  keep = told
}

export function hasBegun(): boolean {
  return readBegun() !== undefined
}

/** @throws {CreoError} what it was refused with, and then nothing is kept; or why nothing is known yet: then it is, and `finishBegun` goes on. */
export async function begin(net: Network, begun: Begun, key: WebKey): Promise<void> {
  own = key
  remember(KEY, JSON.stringify(begun))
  await finish(net, begun)
}

/** What became of what was begun; undefined when there is nothing, or when nobody knows yet. */
export async function finishBegun(net: Network): Promise<{readonly about: string; readonly code: string | undefined} | undefined> {
  const begun = readBegun()
  if (begun === undefined) return undefined
  try {
    await finish(net, begun)
    return {about: begun.about, code: undefined}
  } catch (error) {
    if (hasBegun()) throw error
    return {about: begun.about, code: codeOf(error)}
  }
}

async function finish(net: Network, begun: Begun): Promise<void> {
  const {UNKNOWN} = await import('../../../src/app-client/network-http.ts')
  const failed = (error: CreoError): CreoError => {
    if (UNKNOWN.has(error.code)) throw error
    return error
  }
  const refused = await net.send(begun.command).then(() => undefined, failed)
  // Also of one that was refused: sent so late that nobody tells its first answer any more, it may have been done.
  const view = await net.account(begun.account).catch((error: CreoError) => void failed(error))
  const isDone = view?.keys.some(({publicKey}) => publicKey === begun.publicKey) === true
  remember(KEY, undefined)
  if (!isDone) throw refused ?? new Error('The account does not have the key.')
  keep({account: view.id, name: view.name, sealed: begun.sealed}, own)
}

function readBegun(): Begun | undefined {
  try {
    const begun: unknown = JSON.parse(recall(KEY) ?? 'null')
    return typeof begun === 'object' && begun !== null && 'command' in begun ? (begun as Begun) : undefined
  } catch {
    return undefined
  }
}
