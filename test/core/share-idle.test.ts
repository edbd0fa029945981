import {expect, it} from 'vitest'
import {TUNNEL_IDLE_MAX} from '../../src/core/protocol/tunnel.ts'
import {shareIdle} from '../../src/core/share-idle.ts'

const never = undefined
it.each([
  [[], []],
  [[never], [4]],
  [
    [never, 7],
    [2, 2]
  ],
  [
    [1, 2, 3],
    [1, 1, 1]
  ],
  [
    [never, never, never, never],
    [1, 1, 1, 1]
  ],
  [
    [never, never, never, never, never],
    [1, 1, 1, 1, 0]
  ],
  [
    [5, never, 3, 9, 1, 7],
    [1, 0, 1, 1, 0, 1]
  ]
])('idle connections to gateways that were last used at %j are %j', (usedAtMs, idle) => {
  expect(shareIdle(usedAtMs)).toEqual(idle)
  expect(shareIdle(usedAtMs).reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(TUNNEL_IDLE_MAX)
})
