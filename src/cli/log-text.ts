import {styleText} from 'node:util'
import type {InstanceFailure} from '../core/protocol/api.ts'
import {plainLine} from './plain-line.ts'

const COLOURS = ['cyan', 'green', 'yellow', 'magenta', 'blue', 'cyanBright', 'greenBright', 'magentaBright'] as const
/** The end of a node's id that tells it apart from others of the app. */
const NODE_SHOWN_CHARS = 6
/** The end of an instance's name that tells it apart from others of its node. */
const INSTANCE_SHOWN_CHARS = 4
const WHICH_WIDTH = NODE_SHOWN_CHARS + 1 + INSTANCE_SHOWN_CHARS
/** Names of functions up to this are padded, so that what was written begins in one column. */
const NAME_WIDTH = 8

/** One line of a function's log, or what its node says of an instance. */
export interface ShownLine {
  readonly at: string
  readonly function: string | null
  readonly revision: string
  readonly node: string
  readonly instance: string
  readonly line: string
  /** Null for what the function wrote itself. */
  readonly failure: InstanceFailure | null
  /** Where to go on from: `--after`. */
  readonly cursor: number
}

/**
 * Time, function and the ends of node and instance, the functions one below the other; with `isWide` everything by which lines can be sorted and
 * searched. Each instance has a colour, where colours are shown.
 */
export function logText(
  {at, function: name, revision, node, instance, line, failure}: ShownLine,
  {isWide}: {readonly isWide: boolean}
): string {
  const words = failure === null ? plainLine(line) : `creo: ${plainLine(line)} (${failure.reason})`
  if (isWide) return [at, name ?? '-', revision, node, plainLine(instance), words].join(' ')
  const which = `${node.slice(-NODE_SHOWN_CHARS)}/${plainLine(instance).split('-').at(-1)?.slice(-INSTANCE_SHOWN_CHARS)}`
  const who = `${(name ?? revision).padEnd(NAME_WIDTH)} ${which.padEnd(WHICH_WIDTH)}`
  return `${at.slice('2026-11-22T'.length, '2026-11-22T18:00:00'.length)} ${styleText(colourOf(node + instance), who, {stream: process.stdout})} ${words}`
}

function colourOf(whom: string): (typeof COLOURS)[number] {
  let sum = 0
  for (const sign of whom) sum = (sum * 31 + sign.charCodeAt(0)) % COLOURS.length
  return COLOURS[sum] ?? COLOURS[0]
}
