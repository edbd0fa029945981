import {setImmediate} from 'node:timers/promises'
import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {CreoError, isCreoError} from '../../core/errors.ts'
import {IN_WORDS} from '../../core/issue-words.ts'
import {
  COMMAND_BATCH_MAX,
  type CommandAnswer,
  commandAnswerSchema,
  type SignedCommand,
  signedCommandSchema
} from '../../core/protocol/commands.ts'
import {sha256Hex} from '../../identity/keys.ts'
import {BASES_ORG} from '../../images/bases.ts'
import {badSignature} from '../../ledger/authenticate.ts'
import type {Ledger} from '../../ledger/port.ts'
import type {BlockedImages} from '../registry/blocked-images.ts'
import {refuseBlockedParts} from './blocked-parts.ts'
import type {ClientLimits} from './client-limits.ts'
import {asCreoError} from './error-answer.ts'
import {forgettingOf, refuseUnsetSecrets} from './named-secrets.ts'
import {type Proven, type ProvingTools, provenKeys} from './proven-keys.ts'
import {type RouteTools, route} from './route.ts'
import type {SecretTools} from './routes-secrets.ts'

const COMMANDS_BYTES_MAX = 16 * 2 ** 20
/** Commands of a batch that are applied before anything else of the process has its turn. */
export const COMMANDS_PER_TURN = 16
/** How long the outcome of a command is waited for whose sender has gone. */
const OUTCOME_WAIT_MAX_MS = 30_000

const errorAnswerSchema = z.object({
  status: z.literal('error'),
  error: z.object({code: z.string(), message: z.string(), hint: z.string().optional()})
})
const batchAnswerSchema = z.union([commandAnswerSchema, errorAnswerSchema])
type BatchAnswer = z.output<typeof batchAnswerSchema>

export type CommandTools = RouteTools &
  ProvingTools &
  Pick<SecretTools, 'secrets'> & {readonly blockedImages: BlockedImages; readonly limits: ClientLimits; readonly nowMs: () => number}

interface Caller {
  readonly address: string
  readonly signal: AbortSignal
}

/** Signed commands in, the ledger's answers out. */
export function commandRoutes(app: FastifyInstance, tools: CommandTools): void {
  route(
    app,
    tools,
    {
      method: 'POST',
      path: '/v1/commands',
      about:
        'Signed commands, each answered on its own; 429 when all of them come too often, 503 when the disk is too slow for all of them.',
      body: z.strictObject({commands: z.array(z.unknown()).min(1).max(COMMAND_BATCH_MAX)}),
      bodyBytesMax: COMMANDS_BYTES_MAX,
      answer: z.object({answers: z.array(batchAnswerSchema)})
    },
    async ({body, ...caller}) => ({answers: await answerAll(tools, body.commands, caller)})
  )
  route(
    app,
    tools,
    {
      method: 'POST',
      path: '/v1/nodes/enroll',
      about: 'Enrols a node by its one-use token.',
      body: z.strictObject({token: z.string().min(1).max(200), command: signedCommandSchema}),
      bodyBytesMax: 2 ** 18,
      answer: z.object({answer: commandAnswerSchema})
    },
    async ({body, ...caller}) => ({answer: await enroll(tools, body, caller)})
  )
}

/** Begins all in their order, and lets other work of the process in after every few: each costs it up to several verifications. */
export async function inTurns<T, R>(values: readonly T[], answer: (value: T, index: number) => Promise<R>): Promise<R[]> {
  const answers: Promise<R>[] = []
  for (const [index, value] of values.entries()) {
    if (index > 0 && index % COMMANDS_PER_TURN === 0) await setImmediate()
    const answered = answer(value, index)
    // One that fails while others are begun is heard below.
    answered.catch(() => undefined)
    answers.push(answered)
  }
  return Promise.all(answers)
}

async function answerAll(tools: CommandTools, commands: readonly unknown[], caller: Caller): Promise<BatchAnswer[]> {
  const refused: CreoError[] = []
  const proven = await provenKeys(tools, commands, caller.address)
  const answers = await inTurns(commands, (command, index) =>
    answerOne(tools, command, {...caller, ...proven[index], onRefused: (error) => refused.push(error)})
  )
  const [first] = refused
  if (first !== undefined && refused.length === answers.length) throw first
  return answers
}

async function answerOne(
  tools: CommandTools,
  value: unknown,
  {address, signal, command: parsed, provenBy, onRefused}: Caller & Partial<Proven> & {readonly onRefused: (error: CreoError) => void}
): Promise<BatchAnswer> {
  try {
    const command = parsed ?? signedCommandSchema.parse(value, IN_WORDS)
    tools.limits.refuseSpent(command, address)
    const body = newAccountsBody(command)
    if (body?.type === 'account.create' && body.name === BASES_ORG) {
      throw new CreoError('conflict', `The name "${BASES_ORG}" is the network's own: its base images lie under it.`, {
        hint: 'Choose another name.'
      })
    }
    if (body?.type === 'node.enroll') {
      throw new CreoError('forbidden', 'A node enrolls with its join token.', {
        hint: 'POST it to /v1/nodes/enroll: creo mine start --token TOKEN'
      })
    }
    if (provenBy === false) throw badSignature(command)
    refuseUnsetSecrets(tools, command)
    await refuseBlockedParts(tools, command)
    return await submitAndForget(tools, command, {address, signal, provenBy})
  } catch (error) {
    const known = asCreoError(error)
    // Nothing was done: all of it can be sent again later.
    if (known.code === 'rate_limited' || known.code === 'overloaded') onRefused(known)
    if (!isCreoError(error) && known.code === 'internal') throw error
    return {status: 'error', error: known.toJSON()}
  }
}

/**
 * The secrets of an app go with it. The same command again is answered as before, and must not take what was set since. What nobody with a right key has signed
 * leaves nothing behind, and a client that goes in the middle keeps nothing from being forgotten.
 */
async function submitAndForget(
  {ledger, secrets, limits, nowMs}: CommandTools,
  command: SignedCommand,
  {address, signal, provenBy}: Caller & {readonly provenBy: string | undefined}
): Promise<CommandAnswer> {
  const {sequence} = ledger
  const forgetting = forgettingOf(ledger, command, nowMs())
  let isAdmitted = false
  const admit = (): void => {
    if (isAdmitted) return
    limits.takeCommand(command, address)
    if (forgetting !== undefined) secrets.beginForgetting(forgetting)
    isAdmitted = true
  }
  const settle = async (answer: Pick<CommandAnswer, 'status' | 'seq'>): Promise<void> => {
    if (forgetting === undefined) return
    if (answer.status === 'applied' && answer.seq > sequence) await secrets.unsetAll(forgetting)
    else secrets.keepAll(forgetting)
  }
  try {
    const answer = await ledger.submit(command, signal, {provenBy, admit})
    await settle(answer)
    return await inForce(ledger, command, {answer, signal})
  } catch (error) {
    if (forgetting !== undefined && isAdmitted)
      await outcomeOf(ledger, command, provenBy)
        .then(settle)
        .catch(() => undefined)
    throw error
  }
}

/** Of a command whose answer was not waited for. Where it can't be told even so, the next start looks at the app itself. */
async function outcomeOf(
  ledger: Ledger,
  command: SignedCommand,
  provenBy: string | undefined
): Promise<Pick<CommandAnswer, 'status' | 'seq'>> {
  try {
    return await ledger.submit(command, AbortSignal.timeout(OUTCOME_WAIT_MAX_MS), {provenBy})
  } catch (error) {
    if (isCreoError(error) && error.code === 'idempotency_conflict') return {status: 'rejected', seq: 0}
    throw error
  }
}

/** The token itself is checked here, because only its hash may be journaled. */
async function enroll(
  {ledger, limits}: CommandTools,
  {token, command}: {readonly token: string; readonly command: SignedCommand},
  {address, signal}: Caller
): Promise<CommandAnswer> {
  limits.refuseSpent(command, address)
  const body = z.looseObject({type: z.literal('node.enroll'), tokenHash: z.string()}).safeParse(bodyOf(command))
  if (!body.success) throw new CreoError('invalid_input', 'Only node.enroll is taken here.', {hint: 'POST other commands to /v1/commands.'})
  if (body.data.tokenHash !== sha256Hex(token)) {
    throw new CreoError('unauthorized', 'The join token is not the one that the command names.', {
      hint: 'Ask the owner for a new one: creo node token'
    })
  }
  const answer = await ledger.submit(command, signal, {admit: () => limits.takeCommand(command, address)})
  return inForce(ledger, command, {answer, signal})
}

/** Who belongs to the network, and what its operator keeps out: others act on it by what is shown, so it is shown once it is answered. */
async function inForce(
  ledger: Ledger,
  {account}: Pick<SignedCommand, 'account'>,
  {answer, signal}: {readonly answer: CommandAnswer; readonly signal: AbortSignal}
): Promise<CommandAnswer> {
  if (account === 'operator' || account === 'new') await ledger.projected(answer.seq, signal)
  return answer
}

/** Only a command that brings its own key can be one of these two, so that other bodies are parsed once, by the ledger. */
function newAccountsBody(command: SignedCommand): {readonly type?: unknown; readonly name?: unknown} | undefined {
  const body = command.account === 'new' ? bodyOf(command) : undefined
  return typeof body === 'object' && body !== null ? body : undefined
}

function bodyOf(command: SignedCommand): unknown {
  try {
    return JSON.parse(command.body)
  } catch (cause) {
    throw new CreoError('invalid_input', "The command's body is not JSON.", {hint: 'Sign the text of a JSON object.', cause})
  }
}
