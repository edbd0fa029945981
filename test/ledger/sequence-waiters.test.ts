import {setImmediate as turn} from 'node:timers/promises'
import {expect, it} from 'vitest'
import {SequenceWaiters} from '../../src/ledger/sequence-waiters.ts'

const never = new AbortController().signal

it('lets all go on that wait for a sequence or an earlier one, and nobody else', async () => {
  const waiters = new SequenceWaiters(3)
  const reached: number[] = []
  const waits = [3, 4, 4, 5, 6].map((sequence) => waiters.wait(sequence, never).then(() => reached.push(sequence)))
  waiters.reach(5)
  await turn()
  expect(reached.sort()).toEqual([3, 4, 4, 5])
  expect(waiters.reached).toBe(5)
  waiters.reach(6)
  await Promise.all(waits)
})

it('interrupts those of a signal alone, wherever they stand among those of their sequence', async () => {
  for (const gone of [0, 1, 2]) {
    const waiters = new SequenceWaiters(0)
    const ends = Array.from({length: 3}, () => new AbortController())
    const waits = ends.map(({signal}) => waiters.wait(1, signal))
    const later = waiters.wait(2, ends[gone]?.signal ?? never)
    ends[gone]?.abort()
    await expect(waits[gone]).rejects.toMatchObject({code: 'interrupted'})
    await expect(later).rejects.toMatchObject({code: 'interrupted'})
    waiters.reach(2)
    for (const [index, wait] of waits.entries()) if (index !== gone) await wait
  }
})

it('tells all that wait, and all that come, why no more is reached', async () => {
  const waiters = new SequenceWaiters(0)
  const waits = [1, 1, 2].map((sequence) => waiters.wait(sequence, never))
  waiters.fail(new Error('the disk is gone'))
  for (const wait of [...waits, waiters.wait(7, never)]) await expect(wait).rejects.toThrow('the disk is gone')
})
