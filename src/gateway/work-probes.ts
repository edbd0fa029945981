import type {Duplex} from 'node:stream'
import {CreoError, isCreoError} from '../core/errors.ts'
import {parsedOr} from '../core/issue-words.ts'
import {PROBED_TEXT_BYTES_MAX, type Probed, WORK_PROBES_PATH, type WorkProbe, workProbeSchema} from '../core/protocol/work-probes.ts'
import {type RoutingIndex, splitTarget} from '../core/routing.ts'
import {answerError} from './answer-error.ts'
import {answerJson} from './async/answer-json.ts'
import {askWithin} from './async/call-delivery.ts'
import {BodyRoom} from './async/read-body.ts'
import {CoordinatorSignature, type CoordinatorSignatureOptions} from './coordinator-signature.ts'
import type {Client, ClientCall} from './http/client-call.ts'
import {visitorHeaders} from './visitor-headers.ts'

/** Whoever only says that it is the coordinator may take no more than this. */
const LIMITS = {bodyBytesMax: 4096, heldBytesMax: 2 ** 18, clientHeldBytesMax: 2 ** 16}
/** Instances are started for it too, as for anybody. */
const ANSWER_MAX_MS = 30_000
const OK = 200

export interface WorkProbesOptions extends CoordinatorSignatureOptions {
  readonly routing: () => RoutingIndex | undefined
  /** Serves a connection of this process as one from outside. */
  serve(socket: Duplex, client: Client): void
  readonly monotonicMs: () => number
  readonly answerMaxMs?: number | undefined
}

/**
 * Asks a function for the coordinator, as anybody would: what the node sees of it is a client's request, from an address that the coordinator thought of. It is
 * routed, limited, metered and counted like any.
 */
export class WorkProbes {
  readonly #options: WorkProbesOptions
  readonly #signature: CoordinatorSignature
  readonly #bodies = new BodyRoom(LIMITS)

  constructor(options: WorkProbesOptions) {
    this.#options = options
    this.#signature = new CoordinatorSignature(options)
  }

  /** Answers a request for a probe. False for any other. */
  answer(call: ClientCall): boolean {
    const {client, head} = call
    if (head.target !== WORK_PROBES_PATH || head.method !== 'POST' || client.caller !== undefined) return false
    const routing = this.#options.routing()
    // At an app's own address it is the app's.
    if (routing === undefined || splitTarget(routing, head.host, head.target) !== undefined) return false
    void this.#answer(call)
    return true
  }

  async #answer(call: ClientCall): Promise<void> {
    try {
      this.#signature.expectKey(call)
      const probe = await this.#bodies.with(call, async (body) => {
        await this.#signature.verify(call, body)
        return parsedOr(workProbeSchema, jsonOf(body), wrongForm)
      })
      answerJson(call, OK, await this.#ask(probe, call.client.secure))
    } catch (error) {
      answerError(call, isCreoError(error) ? error : new CreoError('internal', 'The gateway failed.', {cause: error}))
    }
  }

  async #ask({host, path, address}: WorkProbe, secure: boolean): Promise<Probed> {
    const {serve, monotonicMs, answerMaxMs = ANSWER_MAX_MS} = this.#options
    const nodes: string[] = []
    const client = {address, secure, onTried: (node: string) => void nodes.push(node)}
    const asked = {method: 'GET', target: path, host, headers: visitorHeaders(`${secure ? 'https' : 'http'}://${host}`)}
    const beganMs = monotonicMs()
    const {answer} = await askWithin(asked, {serve, client}, AbortSignal.timeout(answerMaxMs))
    const text = answer?.body.subarray(0, PROBED_TEXT_BYTES_MAX).toString('latin1') ?? ''
    return {nodes, status: answer?.result.status ?? null, text, ms: monotonicMs() - beganMs}
  }
}

function wrongForm(wrong: string, cause: unknown): CreoError {
  return new CreoError('invalid_input', `${wrong}.`, {hint: 'src/core/protocol/work-probes.ts has the form.', cause})
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
