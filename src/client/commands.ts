import {randomUUID} from 'node:crypto'
import {CreoError, errorOfWire, isCreoError} from '../core/errors.ts'
import {ownerOfJoinToken} from '../core/join-token.ts'
import {COMMAND_BATCH_MAX, type CommandAnswer, type CommandBody, type SignedCommand} from '../core/protocol/commands.ts'
import {type CommandToSign, signCommand, signCommands} from '../identity/commands.ts'
import {type KeyPair, sha256Hex} from '../identity/keys.ts'
import {type CommandOutcome, commandAnswersSchema, enrollAnswerSchema} from './answers.ts'
import type {Connection} from './connection.ts'
import {pause, RATE_LIMIT_WAIT_MAX_MS} from './http.ts'

/** A command is refused this long after it was signed: long enough for every retry, short enough to be forgotten soon. */
const COMMAND_LIFETIME_MS = 10 * 60_000
/** What a ledger says of a not-after that has passed, or that lies too far ahead: perhaps our clock is wrong. */
const CLOCK_CODES: ReadonlySet<string> = new Set(['expired', 'clock_skew', 'invalid_input'])
const RATE_LIMIT_PAUSE_MS = 1000
/** A smaller difference can't be why a command was refused. */
const CLOCK_MENDED_MIN_MS = 1000

/** A rejection is journaled without advice; this is the one thing to do about each. */
const REJECTION_HINTS: Readonly<Record<string, string>> = {
  invalid_input: 'Mend that value and run the same command again.',
  insufficient_funds: 'creo account balance',
  supply_exceeded: 'creo incentive list',
  volume_limit: 'creo incentive list shows the limit and what is used of it. Take less, or wait until earlier trades count no more.',
  sold_out: 'creo offer list',
  in_auction:
    'creo trade book says until when it lasts. A limit order waits in it and trades at its end: leave out --market, and --tif IOC or FOK.',
  price_band:
    'Nothing was done. Take no more than the book has within the band, or wait for the price with a limit order: it begins an auction.',
  would_self_trade: 'creo trade orders, and cancel the one that stands against it; or give --self-trade cancel-oldest, which does.',
  not_transferable: 'Sell it and let them buy it: creo trade sell. Gutta goes to anybody: creo account pay.',
  forbidden: 'Choose the account that may do this with --as.',
  unauthorized: 'Choose the account that may do this with --as.',
  not_found: 'Check the name; the list commands show what there is.',
  conflict: 'Look at its state with the show and list commands.',
  expired: 'Run the same command again.',
  revision_changed: 'Look at what serves now: creo releases. To put this in its place all the same, run the same command again.'
}

/** Who signs. `account` is an id, `new`, or `operator`. */
export interface Signer {
  readonly account: string
  readonly key: KeyPair
}

export interface SubmitOptions {
  /** Give the same one to repeat a command whose answer got lost. */
  readonly idempotencyKey?: string
  /** For how long the coordinator may take it, and remembers its answer; ten minutes when left out. */
  readonly lifetimeMs?: number
  readonly signal?: AbortSignal | undefined
}

export type AppliedAnswer = Extract<CommandAnswer, {status: 'applied'}>

/** One by itself, several under one signature, which costs the coordinator as much to check as one. */
function signBodies(connection: Connection, signer: Signer, named: readonly Named[]): SignedCommand[] {
  const [first] = named
  const terms = signingTerms(connection, signer, first?.lifetimeMs)
  return named.length === 1 && first !== undefined ? [signCommand({...terms, ...first})] : signCommands(terms, named)
}

function signingTerms(
  connection: Connection,
  signer: Signer,
  lifetimeMs: number = COMMAND_LIFETIME_MS
): Omit<CommandToSign, 'idempotencyKey' | 'body'> {
  return {network: connection.options.networkId, ...signer, notAfterMs: connection.nowMs() + lifetimeMs}
}

/**
 * Signs one command and has it done. An answer that got lost is asked for again by the same idempotency key.
 * @throws {CreoError} the code with which it was refused or rejected; one that this version does not know becomes `rejected`.
 */
export async function submitOne(connection: Connection, signer: Signer, body: CommandBody, options: SubmitOptions): Promise<AppliedAnswer> {
  const {idempotencyKey = randomUUID(), lifetimeMs} = options
  const named = {body, idempotencyKey, lifetimeMs}
  const [outcome] = await submitAll(connection, signer, [named], options.signal)
  return applied(outcome)
}

interface Named {
  readonly body: CommandBody
  readonly idempotencyKey: string
  /** Of one by itself. */
  readonly lifetimeMs?: number | undefined
}

/** Signs and posts commands; those that are refused for our clock are signed anew, once, after the clock is mended. Some of many that came too often are posted again. */
export async function submitAll(
  connection: Connection,
  signer: Signer,
  named: readonly Named[],
  signal?: AbortSignal
): Promise<CommandOutcome[]> {
  if (named.length === 0) return []
  if (named.length > COMMAND_BATCH_MAX) {
    throw new CreoError('invalid_input', `${named.length} commands are too many at once.`, {hint: `Send at most ${COMMAND_BATCH_MAX}.`})
  }
  const post = (some: readonly Named[]): Promise<CommandOutcome[]> => postCommands(connection, signBodies(connection, signer, some), signal)
  const outcomes = await untilTaken(named, post, signal ?? connection.options.signal)
  const refused = new Set([...outcomes.keys()].filter((at) => isClockRefusal(outcomes[at])))
  if (refused.size === 0 || !(await clockWasWrong(connection, signal))) return outcomes
  const again = (await post(named.filter((_, at) => refused.has(at)))).values()
  return outcomes.map((outcome, at) => (refused.has(at) ? (again.next().value ?? outcome) : outcome))
}

/** Where the coordinator took some and not others, it says no time: it takes some each second. */
async function untilTaken(
  named: readonly Named[],
  post: (some: readonly Named[]) => Promise<CommandOutcome[]>,
  signal: AbortSignal
): Promise<CommandOutcome[]> {
  let outcomes = await post(named)
  for (let waitedMs = 0; waitedMs < RATE_LIMIT_WAIT_MAX_MS; waitedMs += RATE_LIMIT_PAUSE_MS) {
    const limited = new Set([...outcomes.keys()].filter((at) => isPutOff(outcomes[at])))
    if (limited.size === 0) break
    await pause(RATE_LIMIT_PAUSE_MS, signal)
    const again = (
      await postUnlessLimited(
        named.filter((_, at) => limited.has(at)),
        post
      )
    ).values()
    outcomes = outcomes.map((outcome, at) => (limited.has(at) ? (again.next().value ?? outcome) : outcome))
  }
  return outcomes
}

/** None where all of them still come too often: what was said of the others is not lost for it. */
async function postUnlessLimited(
  named: readonly Named[],
  post: (some: readonly Named[]) => Promise<CommandOutcome[]>
): Promise<CommandOutcome[]> {
  try {
    return await post(named)
  } catch (error) {
    if (isCreoError(error) && error.code === 'rate_limited') return []
    throw error
  }
}

/** Nothing was done about it for now: it came too often, or too many wait for the disk. */
function isPutOff(outcome: CommandOutcome | undefined): boolean {
  return outcome?.status === 'error' && (outcome.error.code === 'rate_limited' || outcome.error.code === 'overloaded')
}

function isClockRefusal(outcome: CommandOutcome | undefined): boolean {
  return outcome?.status === 'error' && CLOCK_CODES.has(outcome.error.code)
}

async function clockWasWrong(connection: Connection, signal?: AbortSignal): Promise<boolean> {
  return (await connection.mendClock(signal)) >= CLOCK_MENDED_MIN_MS
}

/** Posts signed commands; each is answered on its own, in order. */
async function postCommands(connection: Connection, commands: readonly SignedCommand[], signal?: AbortSignal): Promise<CommandOutcome[]> {
  const {answers} = await connection.ask(commandAnswersSchema, {method: 'POST', path: '/v1/commands', body: {commands}, signal})
  if (answers.length !== commands.length)
    throw new CreoError('bad_gateway', 'The coordinator answered another number of commands than it was sent.')
  for (const answer of answers) if (answer.status !== 'error') connection.sawSequence(answer.seq)
  return answers
}

export interface Enrolment {
  readonly token: string
  readonly name: string
  readonly architecture: 'amd64' | 'arm64'
}

/**
 * Uses up a join token for the node with this key. Repeating it for the same node gets the first answer. A board that has just woken may be
 * years behind: what is refused for its clock is signed anew, once, after the clock is mended.
 */
export async function enrolNode(connection: Connection, key: KeyPair, enrolment: Enrolment, signal?: AbortSignal): Promise<AppliedAnswer> {
  const {token, name, architecture} = enrolment
  const tokenHash = sha256Hex(token)
  const owner = ownerOfJoinToken(token)
  const body = {type: 'node.enroll', publicKey: key.publicKey, tokenHash, owner, name, architecture} as const
  const post = async (): Promise<AppliedAnswer> => {
    const command = signCommand({...signingTerms(connection, {account: 'new', key}), idempotencyKey: `enroll-${tokenHash}`, body})
    const {answer} = await connection.ask(enrollAnswerSchema, {method: 'POST', path: '/v1/nodes/enroll', body: {token, command}, signal})
    connection.sawSequence(answer.seq)
    return applied(answer)
  }
  try {
    return await post()
  } catch (error) {
    if (!isCreoError(error) || !CLOCK_CODES.has(error.code) || !(await clockWasWrong(connection, signal))) throw error
    return await post()
  }
}

function applied(outcome: CommandOutcome | undefined): AppliedAnswer {
  if (outcome?.status === 'applied') return outcome
  if (outcome?.status === 'rejected') throw errorOfWire({...outcome, hint: REJECTION_HINTS[outcome.code]}, 'rejected')
  if (outcome?.status === 'error') throw errorOfWire(outcome.error)
  throw new CreoError('bad_gateway', 'The coordinator did not answer the command.')
}
