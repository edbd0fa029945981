import {EventEmitter} from 'node:events'
import type {ServerResponse} from 'node:http'
import {describe, expect, it} from 'vitest'
import {RequestSignals} from '../../src/coordinator/http/request-signals.ts'

function response(): ServerResponse & {writableFinished: boolean} {
  return Object.assign(new EventEmitter(), {writableFinished: false}) as unknown as ServerResponse & {writableFinished: boolean}
}

describe('the signal of a request', () => {
  it('does not fire once it was answered, and nothing is kept of it', () => {
    const stopping = new AbortController()
    const signals = new RequestSignals(stopping.signal)
    const answered = response()
    const signal = signals.of(answered, 60_000)
    expect(signals.underWay).toBe(1)
    answered.writableFinished = true
    answered.emit('close')
    stopping.abort()
    expect(signal.aborted).toBe(false)
    expect(signals.underWay).toBe(0)
  })

  it('fires when the client has gone before it was answered', () => {
    const signals = new RequestSignals(new AbortController().signal)
    const cut = response()
    const signal = signals.of(cut, 60_000)
    cut.emit('close')
    expect(signal.reason).toMatchObject({code: 'interrupted'})
    expect(signals.underWay).toBe(0)
  })

  it('has fired for a client that went before it was asked for, and nothing is kept of that', () => {
    const signals = new RequestSignals(new AbortController().signal)
    const gone = Object.assign(response(), {destroyed: true})
    expect(signals.of(gone, 60_000).reason).toMatchObject({code: 'interrupted'})
    expect(signals.underWay).toBe(0)
  })

  it('fires when it takes too long', async () => {
    const signal = new RequestSignals(new AbortController().signal).of(response(), 1)
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    expect(signal.reason).toMatchObject({code: 'timeout'})
  })

  it('fires with the reason of a stop, also when it comes after the stop', () => {
    const stopping = new AbortController()
    const signals = new RequestSignals(stopping.signal)
    const before = signals.of(response(), 60_000)
    const reason = new Error('stopping')
    stopping.abort(reason)
    expect(before.reason).toBe(reason)
    expect(signals.of(response(), 60_000).reason).toBe(reason)
  })
})
