import {CreoError} from '../core/errors.ts'

/** Calls that follow from one request, each from within the one before. */
const CALL_DEPTH_MAX = 16

/** A request that an instance serves. */
export interface Served {
  /** Calls between it and the request from outside that it follows from; 0 for that one itself. */
  readonly depth: number
  /** Calls that are counted to it and not answered yet. */
  calls: number
}

/**
 * How deep in calls the requests of one instance are. Which of them a call belongs to only the function knows, and it need not tell: a call is
 * counted to a request that has the fewest calls under way, of these to the least deep one. So a function that calls itself without end
 * comes to the limit as surely as it holds its requests open, and functions that don't are never taken for one that does.
 */
export class CallDepths {
  readonly #served = new Set<Served>()

  /** A request begins at this depth; end it with `leave`. */
  enter(depth: number): Served {
    const served = {depth, calls: 0}
    this.#served.add(served)
    return served
  }

  leave(served: Served): void {
    this.#served.delete(served)
  }

  /** The request that a call is counted to now; undefined for a call that belongs to none. */
  caller(): Served | undefined {
    let best: Served | undefined
    for (const served of this.#served) {
      if (best === undefined || served.calls < best.calls || (served.calls === best.calls && served.depth < best.depth)) best = served
    }
    return best
  }
}

/**
 * The depth of a call by what the gateway knows of its caller, and by the header of an earlier call that the function may pass on: it can make
 * itself deeper so, and never less deep.
 * @throws {CreoError} `loop_detected`
 */
export function depthOfCall(caller: Served | undefined, passedOn: string | undefined): number {
  const said = passedOn !== undefined && /^\d{1,3}$/.test(passedOn) ? Number(passedOn) : 0
  const depth = Math.max(caller?.depth ?? 0, said) + 1
  if (depth <= CALL_DEPTH_MAX) return depth
  throw new CreoError('loop_detected', `More than ${CALL_DEPTH_MAX} calls follow from one request.`, {
    hint: 'Look for functions that call each other in a circle.'
  })
}
