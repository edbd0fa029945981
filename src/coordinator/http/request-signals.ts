import type {ServerResponse} from 'node:http'
import {CreoError} from '../../core/errors.ts'

/**
 * A signal for each request under way. Of one that was answered nothing is left: thousands of nodes wait for their tables, and a timer and
 * listeners that outlived each request by a minute took 15 MiB with 2,000 of them.
 */
export class RequestSignals {
  readonly #underWay = new Set<AbortController>()
  readonly #stopping: AbortSignal

  /** @param stopping ends all of them, and those to come, with its own reason. */
  constructor(stopping: AbortSignal) {
    this.#stopping = stopping
    const stop = (): void => {
      for (const request of this.#underWay) request.abort(stopping.reason)
    }
    stopping.addEventListener('abort', stop, {once: true})
  }

  get underWay(): number {
    return this.#underWay.size
  }

  /** Fires when the client has gone, after `mostMs`, or when the server stops. */
  of(response: ServerResponse, mostMs: number): AbortSignal {
    // Who went while its signature was checked closes no more, and would be remembered for ever.
    if (response.destroyed) return AbortSignal.abort(clientGone())
    const request = new AbortController()
    const timer = setTimeout(() => request.abort(new CreoError('timeout', 'The request took too long.', {hint: 'Ask again.'})), mostMs)
    timer.unref()
    this.#underWay.add(request)
    response.once('close', () => {
      clearTimeout(timer)
      this.#underWay.delete(request)
      if (!response.writableFinished) request.abort(clientGone())
    })
    if (this.#stopping.aborted) request.abort(this.#stopping.reason)
    return request.signal
  }
}

function clientGone(): CreoError {
  return new CreoError('interrupted', 'The client has gone.')
}
