import {createHash} from 'node:crypto'
import type {Effect} from '../core/exchange/outcome.ts'
import type {CommandType, SignedCommand} from '../core/protocol/commands.ts'
import {PACKED_FORM, type PackedCommand, PackedReader, timeOfPacked} from './packed-body.ts'
import type {JournaledOutcome} from './packed-outcome.ts'

/** Commands that one group holds at most. */
export const GROUP_COMMANDS_MAX = 1000

/** Bytes of a body at which its group closes: the command that comes to them is the last. */
export const GROUP_BYTES_MAX = 8 * 2 ** 20

/** One command as it is journaled: what was signed, when it was applied, and what it did. */
export interface JournaledCommand {
  readonly atMs: number
  readonly command: SignedCommand
  readonly outcome: JournaledOutcome
}

/** What a command did, without what was signed. */
export interface JournaledDeed extends PackedCommand {
  readonly seq: number
  readonly effects: readonly Effect[]
}

/** A group of commands with its place in the chain; `body` are the bytes that the hash covers. */
export interface JournalGroup {
  readonly number: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly ruleset: string
  readonly prevHash: string
  readonly hash: string
  readonly body: Uint8Array
}

/** What the state was after a group's last command: SHA-256 of its lines, by the number of their form. */
export interface StateDigest {
  readonly form: number
  readonly sha256: string
}

/** What a group is about. Few groups say what the state was after them, and none of an earlier version does. */
export interface JournalBody {
  readonly commands: readonly JournaledCommand[]
  readonly state?: StateDigest
}

/** Bytes at the beginning of a body that say when its first command was applied. */
export const GROUP_START_BYTES = 48

/** When the first command of a body was applied, by its first bytes. */
export function timeOfStart(start: Uint8Array): number {
  if (isPacked(start)) return timeOfPacked(start)
  return Number(/^\{"commands":\[\{"atMs":(\d+)/.exec(new TextDecoder().decode(start))?.[1] ?? 0)
}

/** The form of what earlier versions wrote, JSON. */
const TEXT_FORM = 1

/** A body as it is told to others: JSON as it is, what is packed as base64url. */
export interface ToldBody {
  readonly form: number
  readonly body: string
}

export function toldBody(body: Uint8Array): ToldBody {
  const form = isPacked(body) ? PACKED_FORM : TEXT_FORM
  return {form, body: Buffer.from(body).toString(encodingOf(form))}
}

/** The bytes of a body that was told so; without a form it is text, as earlier versions told it. */
export function bodyOfTold({form = TEXT_FORM, body}: Partial<ToldBody> & Pick<ToldBody, 'body'>): Buffer {
  return Buffer.from(body, encodingOf(form))
}

function encodingOf(form: number): 'utf8' | 'base64url' {
  return form === TEXT_FORM ? 'utf8' : 'base64url'
}

/** What this version writes. */
export function isPacked(body: Uint8Array): boolean {
  return body[0] === PACKED_FORM
}

/** Only for groups whose hash has been checked: their form is this program's own. */
export function decodeBody({body, firstSeq}: Pick<JournalGroup, 'body' | 'firstSeq'>): JournalBody {
  if (!isPacked(body)) return JSON.parse(new TextDecoder().decode(body)) as JournalBody
  const reader = new PackedReader(body, firstSeq)
  const commands: JournaledCommand[] = []
  for (let next = reader.next(); next !== undefined; next = reader.next()) {
    commands.push({atMs: next.atMs, command: next.command, outcome: reader.outcome()})
  }
  return {commands, ...(reader.state && {state: reader.state})}
}

/** The same, of what the commands did alone: where the form allows it, nothing else is read. */
export function* deedsOf(group: Pick<JournalGroup, 'body' | 'firstSeq'>): Generator<JournaledDeed> {
  if (!isPacked(group.body)) {
    for (const [index, {atMs, command, outcome}] of decodeBody(group).commands.entries()) {
      const {type} = JSON.parse(command.body) as {type: CommandType}
      yield {seq: group.firstSeq + index, atMs, type, keyId: command.keyId, effects: outcome.effects}
    }
    return
  }
  const reader = new PackedReader(group.body, group.firstSeq)
  let seq = group.firstSeq
  for (let next = reader.nextBrief(); next !== undefined; next = reader.nextBrief()) {
    yield {seq, ...next, effects: reader.outcome().effects}
    seq += 1
  }
}

/** Why a group can't be the next one after another, or after the start; undefined when its place and its hash are right. */
export function faultInChain(before: {readonly number: number; readonly hash: string}, group: JournalGroup): string | undefined {
  if (group.number !== before.number + 1) return 'is missing'
  return group.prevHash === before.hash && groupHash(group) === group.hash ? undefined : 'does not match its hash'
}

/** Each group's hash covers its place, its ruleset, the hash before it and every byte of its body. The first is chained to the network's id. */
export function groupHash(group: Omit<JournalGroup, 'hash'>): string {
  const head = ['creo-group-v1', group.number, group.firstSeq, group.lastSeq, group.ruleset, group.prevHash, ''].join('\n')
  return createHash('sha256').update(head).update(group.body).digest('hex')
}
