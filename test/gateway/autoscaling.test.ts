import {describe, expect, it} from 'vitest'
import {decideScale, type LoadSample, SCALE_SETTINGS, type ScaleQuestion} from '../../src/core/autoscaling.ts'

/** Samples every 2 s that end now. */
function series(...concurrency: number[]): LoadSample[] {
  return concurrency.map((value, at) => ({atMs: 1_000_000 - (concurrency.length - 1 - at) * 2000, concurrency: value}))
}
function flat(value: number): LoadSample[] {
  return series(...new Array<number>(30).fill(value))
}
function decide(samples: LoadSample[], more: Partial<ScaleQuestion> = {}) {
  return decideScale({
    samples,
    nowMs: 1_000_000,
    ready: 1,
    concurrency: 100,
    scaleMin: 0,
    scaleMax: 100,
    state: {},
    settings: SCALE_SETTINGS,
    ...more
  })
}

describe('how many instances a load needs', () => {
  it.each([
    ['a light load', flat(5), {}, 1],
    ['70 % of one', flat(70), {}, 1],
    ['a little more than 70 % of one', flat(71), {}, 2],
    ['350 at a time', flat(350), {ready: 4}, 5],
    ['an instance that serves one at a time', flat(3), {ready: 3, concurrency: 1}, 3],
    ['more than allowed', flat(350), {ready: 2, scaleMax: 3}, 3],
    ['nothing where two are kept', flat(0), {ready: 2, scaleMin: 2}, 2],
    ['nothing where two are kept and none is there', [], {ready: 0, scaleMin: 2}, 2],
    ['a fall, by half at most', flat(10), {ready: 8}, 4],
    ['a rise, by the rate at most', flat(700), {ready: 2, settings: {...SCALE_SETTINGS, upRateMax: 1.5}}, 3],
    ['a burst that the stable window hardly sees', series(...new Array<number>(27).fill(0), 400, 400, 400), {ready: 1}, 6],
    ['a burst that is less than twice what is there', series(...new Array<number>(27).fill(70), 120, 120, 120), {ready: 1}, 2]
  ])('%s', (_name, samples, more, expected) => {
    expect(decide(samples, more).desired).toBe(expected)
  })

  it('does not scale down while a panic lasts, and does so when it is over', () => {
    const {state, desired} = decide(flat(700), {ready: 1})
    expect(desired).toBe(10)
    expect(decide(flat(10), {ready: 10, state, nowMs: 1_002_000}).desired).toBe(10)
    expect(decide(flat(10), {ready: 10, state, nowMs: 1_060_000}).desired).toBe(5)
  })

  it('keeps the last instance for the grace after the window has seen nothing', () => {
    const first = decide(flat(0), {ready: 1})
    expect(first.desired).toBe(1)
    expect(decide(flat(0), {ready: 1, state: first.state, nowMs: 1_029_999}).desired).toBe(1)
    expect(decide(flat(0), {ready: 1, state: first.state, nowMs: 1_030_000}).desired).toBe(0)
    const busy = decide(flat(1), {ready: 1, state: first.state, nowMs: 1_020_000})
    expect(busy.state.zeroSinceMs).toBeUndefined()
  })

  it('wants nothing where nothing runs and nobody asks', () => {
    expect(decide([], {ready: 0})).toEqual({desired: 0, state: {}})
  })

  it('keeps what was started while nobody waited for it for the whole grace, however long nothing had run before', () => {
    const asleep = decide([], {ready: 0, nowMs: 900_000})
    const started = decide([], {ready: 1, state: asleep.state})
    expect(started.desired).toBe(1)
    expect(decide([], {ready: 1, state: started.state, nowMs: 1_029_999}).desired).toBe(1)
    expect(decide([], {ready: 1, state: started.state, nowMs: 1_030_000}).desired).toBe(0)
  })
})
