import {describe, expect, it} from 'vitest'
import {backoffMs, failuresAfter} from '../../src/tunnel/backoff.ts'

describe('dialling a gateway again', () => {
  it('begins anew after a session that stood, however many gateways were restarted before', () => {
    let failures = 0
    for (const lastedMs of [30_000, 1500, 2000, 1000]) {
      failures = failuresAfter(failures, lastedMs)
      expect(backoffMs(failures, 1)).toBe(100)
    }
  })

  it('gets slower when no session stands, or each is ended at once', () => {
    let failures = 0
    const waits = [0, 20, 0, 999].map((lastedMs) => {
      failures = failuresAfter(failures, lastedMs)
      return backoffMs(failures, 1)
    })
    expect(waits).toEqual([100, 200, 400, 800])
  })

  it('is seconds apart for minutes, since a line may come back, and rarer when the gateway seems gone for good', () => {
    expect([backoffMs(30, 1), backoffMs(30, 0)]).toEqual([4000, 2000])
    expect([backoffMs(1000, 1), backoffMs(1000, 0)]).toEqual([30_000, 15_000])
  })
})
