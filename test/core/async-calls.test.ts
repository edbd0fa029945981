import fc from 'fast-check'
import {expect, it} from 'vitest'
import {
  AGE_MAX_MS,
  ATTEMPTS_MAX,
  type Attempted,
  afterAttempt,
  asyncWish,
  deliveriesAtATime,
  parseCallback
} from '../../src/core/async-calls.ts'

const facts = {attempts: 1, acceptedAtMs: 0, nowMs: 0, random: 0.5}
const answered = (status: number, retryAfterMs?: number): Attempted => ({
  kind: 'answered',
  status,
  ...(retryAfterMs !== undefined && {retryAfterMs})
})

it.each([
  [answered(200), {next: 'succeeded'}],
  [answered(302), {next: 'succeeded'}],
  [answered(404), {next: 'failed'}],
  [answered(422), {next: 'failed'}],
  [answered(408), {next: 'again', atMs: 500}],
  [answered(429), {next: 'again', atMs: 500}],
  [answered(503), {next: 'again', atMs: 500}],
  [answered(503, 30_000), {next: 'again', atMs: 30_000}],
  [answered(503, 999_999_999), {next: 'again', atMs: 3_600_000}],
  [
    {kind: 'refused', code: 'no_instance'},
    {next: 'again', atMs: 500}
  ],
  [
    {kind: 'refused', code: 'reward_pool_empty'},
    {next: 'again', atMs: 500}
  ],
  [
    {kind: 'refused', code: 'timeout'},
    {next: 'again', atMs: 500}
  ],
  [{kind: 'refused', code: 'not_found'}, {next: 'failed'}],
  [{kind: 'refused', code: 'forbidden'}, {next: 'failed'}]
] as const)('after %j comes %j', (attempted, after) => {
  expect(afterAttempt(attempted, facts)).toEqual(after)
})

it('waits up to twice as long each time, an hour at most, and never beyond the last attempt or the age', () => {
  fc.assert(
    fc.property(
      fc.integer({min: 1, max: ATTEMPTS_MAX + 2}),
      fc.integer({min: 0, max: AGE_MAX_MS + 1000}),
      fc.double({min: 0, max: 1, maxExcluded: true, noNaN: true}),
      (attempts, nowMs, random) => {
        const after = afterAttempt(answered(500), {attempts, acceptedAtMs: 0, nowMs, random})
        if (after.next !== 'again') {
          expect(attempts >= ATTEMPTS_MAX || nowMs + 3_600_000 >= AGE_MAX_MS).toBe(true)
          return
        }
        expect(attempts).toBeLessThan(ATTEMPTS_MAX)
        expect(after.atMs).toBeLessThanOrEqual(AGE_MAX_MS)
        expect(after.atMs - nowMs).toBeLessThanOrEqual(Math.min(3_600_000, 1000 * 2 ** (attempts - 1)))
        expect(after.atMs).toBeGreaterThanOrEqual(nowMs)
      }
    )
  )
})

it.each([
  ['POST', '/async/', {wish: 'enqueue', target: '/'}],
  ['POST', '/async/api?x=1', {wish: 'enqueue', target: '/api?x=1'}],
  ['POST', '/async/async/x', {wish: 'enqueue', target: '/async/x'}],
  ['POST', '/async/calls/c/other', {wish: 'enqueue', target: '/calls/c/other'}],
  ['POST', '/async/calls/c/retry', {wish: 'retry', id: 'c'}],
  ['GET', '/async/calls/c', {wish: 'show', id: 'c'}],
  ['GET', '/async/calls/c?x', {wish: 'show', id: 'c'}],
  ['DELETE', '/async/calls/c', {wish: 'cancel', id: 'c'}],
  ['GET', '/async/calls/c/retry', undefined],
  ['GET', '/async/api', undefined],
  ['POST', '/async', undefined],
  ['POST', '/asynchronous', undefined],
  ['PUT', '/async/api', undefined]
] as const)('%s %s means %j', (method, target, wish) => {
  expect(asyncWish(method, target)).toEqual(wish)
})

it.each([
  ['/done', {to: 'app', target: '/done'}],
  ['https://example.org/hook?a=1#b', {to: 'web', url: 'https://example.org/hook?a=1'}],
  ['https://user@example.org/', undefined],
  ['http://example.org/', undefined],
  ['//example.org/', undefined],
  ['/a b', undefined],
  ['done', undefined],
  [`/${'x'.repeat(2048)}`, undefined]
] as const)('the callback %s is %j', (text, callback) => {
  expect(parseCallback(text)).toEqual(callback)
})

it('a quarter of a function is for calls, and always one', () => {
  expect(deliveriesAtATime({concurrency: 1, scaleMax: 1}, 32)).toBe(1)
  expect(deliveriesAtATime({concurrency: 10, scaleMax: 4}, 32)).toBe(10)
  expect(deliveriesAtATime({concurrency: 1000, scaleMax: 4}, 32)).toBe(32)
})
