import {describe, expect, it} from 'vitest'
import {CallDepths, depthOfCall, type Served} from '../../src/gateway/call-depth.ts'

/** A call out of an instance with these depths, to an instance that then serves it. */
function follow(from: CallDepths, to: CallDepths): Served {
  const caller = from.caller()
  const served = to.enter(depthOfCall(caller, undefined))
  if (caller !== undefined) caller.calls += 1
  return served
}

describe('the depth of a call', () => {
  it('is one more than that of the request it follows from, and one for a call that follows from none', () => {
    const [a, b] = [new CallDepths(), new CallDepths()]
    expect(follow(a, b).depth).toBe(1)
    a.enter(0)
    expect([follow(a, b).depth, b.caller()?.depth]).toEqual([1, 1])
  })

  it('grows to the limit when a function calls itself and says nothing about it, also among requests that call nobody', () => {
    const a = new CallDepths()
    const idle = [a.enter(0), a.enter(0), a.enter(0)]
    a.enter(0)
    const depths: number[] = []
    const loop = () => {
      for (let count = 0; count < 1000; count += 1) depths.push(follow(a, a).depth)
    }
    expect(loop).toThrow(expect.objectContaining({code: 'loop_detected', hint: expect.stringContaining('in a circle')}))
    // Each request from outside carries at most one chain of calls.
    expect(depths.length).toBe(16 * (idle.length + 1))
  })

  it('stays what it is when functions call each other in turns without end, but not one within the other', () => {
    const [a, b] = [new CallDepths(), new CallDepths()]
    const depths = new Set<number>()
    let before: {readonly request: Served; readonly call: Served; readonly back: Served} | undefined
    for (let round = 0; round < 100; round += 1) {
      // Another request is always under way: its call has come back to the first function, and is served there.
      const request = a.enter(0)
      const call = follow(a, b)
      const back = follow(b, a)
      for (const {depth} of [call, back]) depths.add(depth)
      if (before !== undefined) {
        a.leave(before.back)
        before.call.calls -= 1
        b.leave(before.call)
        before.request.calls -= 1
        a.leave(before.request)
      }
      before = {request, call, back}
    }
    expect([...depths].sort()).toEqual([1, 2])
  })

  it('can be raised by what a function passes on and never be lowered', () => {
    const a = new CallDepths()
    a.enter(5)
    expect([
      depthOfCall(a.caller(), '0'),
      depthOfCall(a.caller(), '-9'),
      depthOfCall(a.caller(), 'x'),
      depthOfCall(a.caller(), '9')
    ]).toEqual([6, 6, 6, 10])
    expect(() => depthOfCall(undefined, '16')).toThrow(expect.objectContaining({code: 'loop_detected'}))
  })
})
