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
    expect(backoffMs(1000, 1)).toBe(30_000)
    expect(backoffMs(1000, 0)).toBe(15_000)
  })
})
