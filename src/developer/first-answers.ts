import {setTimeout as sleep} from 'node:timers/promises'
import {CreoError, isCreoError} from '../core/errors.ts'
import type {AppView} from '../core/protocol/api.ts'
import type {Readiness} from '../core/protocol/app-reports.ts'
import {askApp} from './addresses.ts'
import {type Asked, finalTrouble, hopelessTrouble, lastTrouble, type Trouble} from './start-trouble.ts'

const ASK_EVERY_MS = 200
/** How often nodes' failures are looked for meanwhile: by itself where events tell when, and where they don't. */
const LOOK_EVERY_MS = 5000
const LOOK_UNTOLD_EVERY_MS = 500
/** What no node can run now is given up when it has been so for so long: a node may be about to come, or the scheduler to plan. */
const HOPELESS_MS = 4500
/** What happens at once is looked at once. */
const GATHER_MS = 50
/** A gateway names in it the revision that answered. */
const REVISION_HEADER = 'creo-revision'

export interface FirstAnswer {
  readonly function: string
  readonly url: string
  readonly status: number
  /** From the moment the deploy was done. */
  readonly ms: number
}

export type FirstAnswers =
  | {readonly trouble?: undefined; readonly answers: readonly FirstAnswer[]}
  | {readonly trouble: Trouble; readonly answers?: undefined}

export interface FirstAnswersOptions {
  readonly routes: AppView['routes']
  /** By function, what was deployed. */
  readonly deployed: ReadonlyMap<string, Asked>
  /** Where a function is asked, without a slash at the end. */
  readonly addressOf: (name: string) => string
  readonly waitMs: number
  /** Ends before that when nothing can come, as far as the coordinator knows. */
  readonly givesUp?: boolean
  /** Hears what keeps a function meanwhile; '' when nothing does any more. */
  readonly note?: (text: string) => void
  /** What nodes say of the revisions; rejects when nobody can be asked now. */
  readonly look: (signal: AbortSignal) => Promise<Readiness>
  /** Something for each time that a look may show more. It may end, or fail, at any time. */
  readonly happens: (signal: AbortSignal) => AsyncIterable<unknown>
  readonly signal: AbortSignal
}

/**
 * Asks each function that a route leads to until its new revision answers by itself: for a moment a gateway may still ask the old one. Ends with
 * the trouble when one does not in time, and at once when it can't: then every node has failed with it. What was deployed stays deployed.
 */
export async function awaitFirstAnswers(options: FirstAnswersOptions): Promise<FirstAnswers> {
  const done = new AbortController()
  const signal = AbortSignal.any([options.signal, done.signal])
  try {
    return await Promise.race([everyAnswer({...options, signal}), watchNodes({...options, signal})])
  } finally {
    done.abort()
  }
}

async function everyAnswer(options: FirstAnswersOptions): Promise<FirstAnswers> {
  const routed = new Map(options.routes.toReversed().map((route) => [route.function, route.path]))
  const asked = [...routed].flatMap(([name, path]) => {
    const of = options.deployed.get(name)
    return of === undefined ? [] : [firstAnswer(of, options.addressOf(name) + path, options)]
  })
  const answers = await Promise.all(asked)
  const late = answers.find((answer): answer is Late => 'last' in answer)
  if (late === undefined) return {answers: answers.filter((answer): answer is FirstAnswer => 'status' in answer)}
  const seen = await options.look(options.signal).catch(() => undefined)
  return {trouble: lastTrouble(late.asked, of(seen, late.asked), late.last)}
}

interface Late {
  readonly asked: Asked
  readonly last: CreoError
}

async function firstAnswer(
  asked: Asked,
  url: string,
  {waitMs, signal}: Pick<FirstAnswersOptions, 'waitMs' | 'signal'>
): Promise<FirstAnswer | Late> {
  const startedAtMs = performance.now()
  const over = AbortSignal.timeout(waitMs)
  let last = new CreoError('timeout', `${url} did not answer in ${Math.round(waitMs / 1000)} s.`)
  for (;;) {
    try {
      const {status, headers} = await askApp({url, signal: AbortSignal.any([signal, over])})
      assertNew(asked, headers[REVISION_HEADER])
      return {function: asked.function, url, status, ms: Math.round(performance.now() - startedAtMs)}
    } catch (error) {
      signal.throwIfAborted()
      if (isCreoError(error)) last = error
      else if (!over.aborted) throw error
      if (over.aborted) return {asked, last}
      await sleep(ASK_EVERY_MS, undefined, {signal})
    }
  }
}

/** Ends only with a trouble that is final, or where nothing can come, or with the signal. */
async function watchNodes({deployed, routes, look, happens, givesUp, note, signal}: FirstAnswersOptions): Promise<FirstAnswers> {
  const routed = new Set(routes.map((route) => route.function))
  let hopelessSinceMs: number | undefined
  for await (const _ of occasions(happens(signal), signal)) {
    const seen = await look(signal).catch(() => undefined)
    const looked = [...deployed.values()].flatMap((asked) => {
      const own = of(seen, asked)
      return own === undefined ? [] : [{asked, own}]
    })
    for (const {asked, own} of looked) {
      const trouble = finalTrouble(asked, own)
      if (trouble !== undefined) return {trouble}
    }
    const [hopeless] = looked.flatMap(({asked, own}) => (routed.has(asked.function) ? (hopelessTrouble(asked, own) ?? []) : []))
    note?.(hopeless === undefined ? '' : `${hopeless.function}: ${KEPT_BY[hopeless.reason] ?? hopeless.reason}`)
    hopelessSinceMs = hopeless && (hopelessSinceMs ?? performance.now())
    if (hopeless && givesUp && performance.now() - (hopelessSinceMs ?? 0) >= HOPELESS_MS) return {trouble: hopeless}
  }
  throw signal.reason
}

/** What is said of it while it is waited for. */
const KEPT_BY: Readonly<Record<string, string>> = {
  pool_empty: 'the reward pool is empty',
  day_spent: "today's budget is spent",
  wrong_architecture: 'no node of its architecture',
  too_large: 'no node is large enough',
  no_node: 'no node takes it'
}

/** When something has happened, and every so often in any case: more often once nothing tells any more. */
async function* occasions(happens: AsyncIterable<unknown>, signal: AbortSignal): AsyncGenerator<void> {
  const events = happens[Symbol.asyncIterator]()
  const next = (): Promise<boolean> =>
    events.next().then(
      ({done}) => done !== true,
      () => false
    )
  let happened: Promise<boolean> | undefined = next()
  while (!signal.aborted) {
    const enough = new AbortController()
    const waitMs = happened === undefined ? LOOK_UNTOLD_EVERY_MS : LOOK_EVERY_MS
    const passed = sleep(waitMs, undefined, {signal: AbortSignal.any([signal, enough.signal])}).catch(() => undefined)
    const told: boolean | undefined = await Promise.race([passed, ...(happened === undefined ? [] : [happened])])
    enough.abort()
    if (told === true) {
      await sleep(GATHER_MS, undefined, {signal}).catch(() => undefined)
      happened = next()
    } else if (told === false) happened = undefined
    if (told !== false) yield
  }
}

function of(seen: Readiness | undefined, {revision}: Asked): Readiness['revisions'][number] | undefined {
  return seen?.revisions.find((one) => one.revision === revision)
}

function assertNew({function: name, revision}: Asked, answered: string | string[] | undefined): void {
  if (answered === revision) return
  throw new CreoError('unavailable', `${String(answered ?? 'Something else')} answers for ${name}, not ${revision}.`)
}
