import {createHash} from 'node:crypto'
import type {Outcome} from '../core/exchange/outcome.ts'
import type {SignedCommand} from '../core/protocol/commands.ts'

/** Commands that one group holds at most. */
export const GROUP_COMMANDS_MAX = 1000

/** Bytes of commands and outcomes at which a group closes; one command alone may be larger. */
export const GROUP_BYTES_MAX = 8 * 2 ** 20

/** One command as it is journaled: what was signed, when it was applied, and what it did. */
export interface JournaledCommand {
  readonly atMs: number
  readonly command: SignedCommand
  readonly outcome: Outcome
}

/** A group of commands with its place in the chain; `body` is the text that the hash covers. */
export interface JournalGroup {
  readonly number: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly ruleset: string
  readonly prevHash: string
  readonly hash: string
  readonly body: Uint8Array
}

export function encodeCommand(journaled: JournaledCommand): string {
  return JSON.stringify({atMs: journaled.atMs, command: journaled.command, outcome: journaled.outcome})
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

export function encodeBody(commands: readonly string[], state?: StateDigest): string {
  return `{"commands":[${commands.join(',')}]${state === undefined ? '' : `,"state":${JSON.stringify(state)}`}}`
}

/** Bytes at the beginning of a body that say when its first command was applied. */
export const GROUP_START_BYTES = 48

/** When the first command of a body was applied, by its first bytes: `encodeBody` and `encodeCommand` begin with it. */
export function timeOfStart(start: Uint8Array): number {
  return Number(/^\{"commands":\[\{"atMs":(\d+)/.exec(new TextDecoder().decode(start))?.[1] ?? 0)
}

/** Only for bodies whose hash has been checked: their form is this program's own. */
export function decodeBody(body: Uint8Array): JournalBody {
  return JSON.parse(new TextDecoder().decode(body)) as JournalBody
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
