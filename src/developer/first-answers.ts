import {setTimeout as sleep} from 'node:timers/promises'
import {CreoError, isCreoError} from '../core/errors.ts'
import type {Manifest} from '../core/manifest.ts'
import {askApp} from './addresses.ts'

const ASK_EVERY_MS = 200
/** A gateway names in it the revision that answered. */
const REVISION_HEADER = 'creo-revision'

export interface FirstAnswer {
  readonly function: string
  readonly url: string
  readonly status: number
  /** From the moment the deploy was done. */
  readonly ms: number
}

/**
 * Asks each function that a route leads to until its new revision answers by itself: for a moment a gateway may still ask the old one.
 * @throws {CreoError} `still_running` with the gateway's last words when one does not in time: what was deployed stays deployed.
 */
export async function awaitFirstAnswers(options: {
  readonly manifest: Manifest
  /** By function, what was deployed. */
  readonly revisions: ReadonlyMap<string, string>
  /** Where a function is asked, without a slash at the end. */
  readonly addressOf: (name: string) => string
  readonly waitMs: number
  readonly signal: AbortSignal
}): Promise<readonly FirstAnswer[]> {
  const routed = new Map(options.manifest.routes.toReversed().map((route) => [route.function, route.path]))
  return await Promise.all(
    [...routed].map(([name, path]) =>
      firstAnswer({...options, name, revision: options.revisions.get(name), url: options.addressOf(name) + path})
    )
  )
}

async function firstAnswer({
  name,
  revision,
  url,
  waitMs,
  signal
}: {
  readonly name: string
  readonly revision: string | undefined
  readonly url: string
  readonly waitMs: number
  readonly signal: AbortSignal
}): Promise<FirstAnswer> {
  const startedAtMs = performance.now()
  for (;;) {
    try {
      const {status, headers} = await askApp({url, signal})
      assertNew(name, revision, headers[REVISION_HEADER])
      return {function: name, url, status, ms: Math.round(performance.now() - startedAtMs)}
    } catch (error) {
      signal.throwIfAborted()
      if (!isCreoError(error)) throw error
      if (performance.now() - startedAtMs > waitMs) throw notYet(name, waitMs, error)
      await sleep(ASK_EVERY_MS, undefined, {signal})
    }
  }
}

function assertNew(name: string, deployed: string | undefined, answered: string | string[] | undefined): void {
  if (deployed === undefined || answered === deployed) return
  throw new CreoError('unavailable', `${String(answered ?? 'Something else')} answers for ${name}, not ${deployed}.`)
}

function notYet(name: string, waitMs: number, last: CreoError): CreoError {
  const why = `${name} has not answered in ${Math.round(waitMs / 1000)} s: ${last.message} (${last.code})`
  return new CreoError('still_running', `The new revision is deployed, but ${why}`, {
    hint: 'creo mine start --earn the incentive that the function pays, or wait for a miner, then: creo invoke',
    cause: last
  })
}
