import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {type FileHandle, open} from 'node:fs/promises'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import type {LedgerMachine} from '../core/exchange/ledger-machine.ts'
import {STATE_FORM} from '../core/exchange/state-form.ts'
import {decodeBody, groupHash} from './group.ts'
import type {JournalReader} from './journal.ts'

/**
 * A machine's state on disk, so that a start replays only what came after: a header of a fixed size, then the lines of the state. It is a cache: what
 * says that it is true is the journal, whose group carries the digest of the same lines. One that does not fit is not used.
 */
export const SNAPSHOT_FILE = 'ledger.snapshot'
export const HEADER_BYTES = 512
const READ_BYTES = 2 ** 20
/** One line of the state: an app with its functions, a revision with all that worked for it. */
const LINE_CHARS_MAX = 2 ** 28

const headerSchema = z.strictObject({
  format: z.literal('creo-snapshot-v1'),
  form: z.int(),
  network: z.string(),
  /** The group after which the state was this one, and its hash. */
  number: z.int().positive(),
  hash: z.string(),
  lastSeq: z.int().positive(),
  sha256: z.string(),
  bytes: z.int().nonnegative()
})
export type SnapshotHeader = z.output<typeof headerSchema>

export function encodeHeader(header: SnapshotHeader): Uint8Array {
  return Buffer.from(`${JSON.stringify(header).padEnd(HEADER_BYTES - 1)}\n`)
}

/** A snapshot whose every byte is what the journal says, or why it can't be used. */
export type FoundSnapshot = {readonly header: SnapshotHeader; readonly fault?: never} | {readonly header?: never; readonly fault: string}

/** `undefined` when there is none. */
export async function findSnapshot(path: string, journal: JournalReader, signal: AbortSignal): Promise<FoundSnapshot | undefined> {
  let file: FileHandle
  try {
    file = await open(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    return {fault: `it can't be read (${String(error)})`}
  }
  try {
    const header = readHeader(await readStart(file))
    if (header === undefined) return {fault: 'its header is damaged'}
    const {size} = await file.stat()
    const fault = faultOf(header, size, journal) ?? ((await digestOfLines(path, signal)) === header.sha256 ? undefined : 'it is damaged')
    return fault === undefined ? {header} : {fault}
  } catch (error) {
    if (signal.aborted) throw interrupted(signal)
    return {fault: `it can't be read (${String(error)})`}
  } finally {
    await file.close()
  }
}

/**
 * Brings a new machine to the state of a snapshot that was found good. What it takes is what it hashes: a file that became another one since is not used.
 * Says why it could not; the machine is of no use then.
 */
export async function restoreSnapshot(
  machine: LedgerMachine,
  path: string,
  {sha256}: SnapshotHeader,
  signal: AbortSignal
): Promise<string | undefined> {
  try {
    const taken = await takeLines(machine, path, signal)
    return taken === sha256 ? undefined : 'it was changed while it was read'
  } catch (error) {
    if (signal.aborted) throw interrupted(signal)
    return `its lines can't be taken back (${String(error)})`
  }
}

/** Answers with the digest of what it took. */
async function takeLines(machine: LedgerMachine, path: string, signal: AbortSignal): Promise<string> {
  const digest = createHash('sha256')
  const decoder = new TextDecoder('utf-8', {fatal: true})
  let rest = ''
  for await (const chunk of linesOf(path, signal)) {
    digest.update(chunk)
    const lines = (rest + decoder.decode(chunk, {stream: true})).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LINE_CHARS_MAX) throw new Error('a line is too long')
    for (const line of lines) machine.takeLine(line)
  }
  if (rest !== '') throw new Error('the last line is cut off')
  return digest.digest('hex')
}

async function readStart(file: FileHandle): Promise<string> {
  const start = Buffer.alloc(HEADER_BYTES)
  const {bytesRead} = await file.read(start, 0, HEADER_BYTES, 0)
  return start.toString('utf8', 0, bytesRead)
}

function readHeader(text: string): SnapshotHeader | undefined {
  try {
    return headerSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Why the journal does not vouch for a snapshot with this header. */
function faultOf(header: SnapshotHeader, size: number, journal: JournalReader): string | undefined {
  const {networkId} = journal
  if (header.form !== STATE_FORM) return 'another version of creo made it'
  if (header.network !== networkId) return 'it is of another network'
  if (size !== HEADER_BYTES + header.bytes) return 'it is cut off'
  const [group] = journal.page(header.number, 1)
  if (group?.number !== header.number) return `the journal has no group ${header.number}`
  if (groupHash(group) !== group.hash || group.hash !== header.hash || group.lastSeq !== header.lastSeq)
    return `group ${header.number} of the journal is another one`
  const {state} = decodeBody(group)
  return state?.form === header.form && state.sha256 === header.sha256
    ? undefined
    : `group ${header.number} of the journal has another digest`
}

async function digestOfLines(path: string, signal: AbortSignal): Promise<string> {
  const digest = createHash('sha256')
  for await (const chunk of linesOf(path, signal)) digest.update(chunk)
  return digest.digest('hex')
}

function linesOf(path: string, signal: AbortSignal): AsyncIterable<Buffer> {
  return createReadStream(path, {start: HEADER_BYTES, highWaterMark: READ_BYTES, signal})
}

function interrupted(signal: AbortSignal): CreoError {
  return new CreoError('interrupted', 'Opening the ledger was ended.', {cause: signal.reason})
}
