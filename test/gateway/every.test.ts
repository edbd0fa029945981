import {afterEach, beforeEach, expect, it, vi} from 'vitest'
import {everyUnlessBusy} from '../../src/gateway/every.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('work that takes longer than its turn is not started again until it is done', async () => {
  const ends: (() => void)[] = []
  const timer = everyUnlessBusy(
    1000,
    () => new Promise<void>((resolve) => ends.push(resolve)),
    () => expect.unreachable()
  )
  await vi.advanceTimersByTimeAsync(3500)
  expect(ends).toHaveLength(1)
  ends[0]?.()
  await vi.advanceTimersByTimeAsync(1000)
  expect(ends).toHaveLength(2)
  clearInterval(timer)
})

it('work that failed is told of and started again', async () => {
  const errors: unknown[] = []
  const timer = everyUnlessBusy(
    1000,
    () => Promise.reject(new Error('no space left')),
    (error) => errors.push(String(error))
  )
  await vi.advanceTimersByTimeAsync(2000)
  expect(errors).toEqual(['Error: no space left', 'Error: no space left'])
  clearInterval(timer)
})
