import fc from 'fast-check'
import {expect, it} from 'vitest'
import {CallTurns} from '../../src/gateway/async/call-turns.ts'
import {DueList} from '../../src/gateway/async/due-list.ts'
import {QueueRoom} from '../../src/gateway/async/queue-room.ts'

it('functions take turns, and none has more under way than it may', () => {
  const turns = new CallTurns(8)
  for (const id of ['a1', 'a2', 'a3']) turns.add('a', id)
  turns.add('b', 'b1')
  const next = () => turns.next((name) => (name === 'a' ? 2 : 1))?.id
  expect([next(), next(), next(), next()]).toEqual(['a1', 'b1', 'a2', undefined])
  turns.done('a')
  expect([next(), next()]).toEqual(['a3', undefined])
})

it('the functions of one org together have no more under way than its share, and each of them still has its turn', () => {
  const turns = new CallTurns(2)
  for (const name of ['a/one', 'a/two', 'a/three', 'b/one']) for (const count of [1, 2]) turns.add(name, `${name}${count}`)
  const next = () => turns.next(() => 2)?.id
  expect([next(), next(), next(), next(), next()]).toEqual(['a/one1', 'a/two1', 'b/one1', 'b/one2', undefined])
  turns.done('a/one')
  expect([next(), next()]).toEqual(['a/three1', undefined])
  turns.done('a/two')
  expect([next(), next()]).toEqual(['a/one2', undefined])
})

it('what is removed has no turn, and a function that could not be asked has one again when that may have changed', () => {
  const turns = new CallTurns(8)
  turns.add('a', 'a1')
  turns.add('a', 'a2')
  turns.remove('a', 'a1')
  expect(turns.next(() => 0)).toBeUndefined()
  turns.reconsider()
  expect(turns.next(() => 1)?.id).toBe('a2')
})

it('every call has exactly one turn, whatever comes between', () => {
  const step = fc.oneof(
    fc.record({do: fc.constant('add' as const), name: fc.constantFrom('a/one', 'a/two', 'b/one')}),
    fc.record({do: fc.constantFrom('next' as const, 'done' as const)})
  )
  fc.assert(
    fc.property(fc.array(step, {maxLength: 60}), (steps) => {
      const turns = new CallTurns(3)
      const added: string[] = []
      const had: string[] = []
      const running: string[] = []
      const next = (): boolean => {
        const turn = turns.next(() => 2)
        if (turn === undefined) return false
        expect(running.filter((name) => name === turn.function).length).toBeLessThan(2)
        had.push(turn.id)
        running.push(turn.function)
        return true
      }
      const done = (): void => {
        const name = running.shift()
        if (name !== undefined) turns.done(name)
      }
      for (const one of steps) {
        if (one.do === 'add') {
          added.push(`${one.name}${added.length}`)
          turns.add(one.name, added.at(-1) ?? '')
        } else if (one.do === 'next') next()
        else done()
      }
      while (next() || running.length > 0) done()
      expect([...had].sort()).toEqual([...added].sort())
    })
  )
})

it('what is to be tried later comes in the order of its time, without what was taken off', () => {
  const due = fc.uniqueArray(fc.record({id: fc.uuid(), atMs: fc.integer({min: 0, max: 20}), isRemoved: fc.boolean()}), {
    selector: ({id}) => id
  })
  fc.assert(
    fc.property(due, fc.integer({min: 0, max: 20}), (all, nowMs) => {
      const list = new DueList()
      for (const one of all) list.add(one)
      for (const one of all) if (one.isRemoved) list.remove(one)
      const taken: string[] = []
      for (let id = list.take(nowMs); id !== undefined; id = list.take(nowMs)) taken.push(id)
      const left = all.filter(({isRemoved}) => !isRemoved)
      expect(new Set(taken)).toEqual(new Set(left.filter(({atMs}) => atMs <= nowMs).map(({id}) => id)))
      const times = taken.map((id) => all.find((one) => one.id === id)?.atMs ?? -1)
      expect(times).toEqual([...times].sort((a, b) => a - b))
      const later = left.filter(({atMs}) => atMs > nowMs).map(({atMs}) => atMs)
      expect(list.nextMs).toBe(later.length === 0 ? undefined : Math.min(...later))
    })
  )
})

it('the room of a queue is given back, and an app cannot take more than its share', () => {
  const room = new QueueRoom({entriesMax: 4, bytesMax: 100, appShare: 0.5})
  room.take('a', 10)
  room.take('a', 10)
  expect(() => room.take('a', 1)).toThrow(expect.objectContaining({code: 'rate_limited'}))
  expect(() => room.take('b', 51)).toThrow(expect.objectContaining({code: 'rate_limited'}))
  room.take('b', 10)
  room.take('c', 10)
  expect(() => room.take('d', 1)).toThrow(expect.objectContaining({code: 'overloaded'}))
  room.give('a', 10)
  room.take('d', 1)
  expect(room.entries).toBe(4)
  expect([room.grow('d', 50), room.grow('d', 49), room.grow('b', 40)]).toEqual([false, true, false])
  room.give('b', 10)
  expect(room.grow('c', 30)).toBe(true)
})
