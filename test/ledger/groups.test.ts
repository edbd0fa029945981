import {setImmediate as turn} from 'node:timers/promises'
import {afterEach, beforeEach, expect, it, vi} from 'vitest'
import {LedgerWorld} from './ledger-world.ts'
import {orderOf} from './orders.ts'

let world: LedgerWorld

beforeEach(async () => {
  world = await LedgerWorld.make()
})

afterEach(async () => {
  await world.remove()
})

it('puts a burst into few groups and tells listeners of each once the reads have it', async () => {
  await world.settle()
  const groups: number[] = []
  const seen: number[] = []
  world.ledger.onCommitted((group) => {
    expect([...group.types]).toEqual(['order.place'])
    groups.push(group.lastSeq - group.firstSeq + 1)
    seen.push(world.ledger.reads.orders({limit: 1000}).length)
  })
  const answers = await Promise.all(Array.from({length: 300}, (_, index) => world.submit(world.sign('ann', orderOf('buy', 1, 1 + index)))))
  await world.ledger.projected(world.ledger.sequence, world.signal)
  expect(answers.map((answer) => answer.status)).not.toContain('rejected')
  expect(groups.reduce((sum, count) => sum + count, 0)).toBe(300)
  expect(groups.length).toBeLessThan(10)
  expect(seen.at(-1)).toBe(300)
})

it('gathers what follows a rush for a moment or until there is enough, and lets nobody wait who comes alone', async () => {
  await world.settle()
  const groups: number[] = []
  world.ledger.onCommitted(({firstSeq, lastSeq}) => groups.push(lastSeq - firstSeq + 1))
  const place = (): Promise<unknown> => world.submit(world.sign('ann', orderOf('buy', 1, 1)))
  vi.useFakeTimers({toFake: ['setTimeout', 'clearTimeout']})
  try {
    await place()
    await Promise.all([place(), place(), place(), place()])
    const following: Promise<unknown>[] = []
    for (let count = 0; count < 3; count += 1) {
      following.push(place())
      await turn()
      await turn()
    }
    expect(world.ledger.queued).toBe(3)
    vi.advanceTimersByTime(2)
    await Promise.all(following)
    await place()
    await Promise.all([place(), place(), place(), place()])
    // So many wait for no clock.
    await Promise.all(Array.from({length: 64}, place))
  } finally {
    vi.useRealTimers()
  }
  await world.ledger.projected(world.ledger.sequence, world.signal)
  expect(groups).toEqual([1, 4, 3, 1, 4, 64])
})
