import {expect, it} from 'vitest'
import {SequenceWaiters} from '../../src/ledger/sequence-waiters.ts'

const never = new AbortController().signal

/** What has become of each wait by now. */
async function told(waits: readonly Promise<void>[]): Promise<string[]> {
  const open = Promise.resolve('waits')
  return Promise.all(
    waits.map((wait) =>
      Promise.race([
        wait.then(
          () => 'reached',
          (error: Error) => error.message
        ),
        open
      ])
    )
  )
}

it('lets all go on that wait for a sequence or an earlier one, and nobody else', async () => {
  const waiters = new SequenceWaiters(3)
  const waits = [3, 4, 4, 5, 6].map((sequence) => waiters.wait(sequence, never))
  waiters.reach(5)
  await Promise.all(waits.slice(0, 4))
  expect(await told(waits.slice(4))).toEqual(['waits'])
  expect(waiters.reached).toBe(5)
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
