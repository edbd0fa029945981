import {expect} from 'vitest'
import type {WaitingTier} from '../../src/runtime/port.ts'
import {ask, type Contract, PATIENCE_MS, patience} from './contract-world.ts'

const waitingTiers: readonly WaitingTier[] = ['initialised', 'created']
/** What the OCI runtime's own process may use until it waits. */
const WAITING_CPU_MICROS_MAX = 1_000_000

/** What every runtime promises of the tiers that it offers. */
export function tierPromises(contract: Contract): void {
  frozenPromises(contract)
  for (const tier of waitingTiers) waitingPromises(tier, contract)
}

function frozenPromises({promise, start, running, world}: Contract): void {
  promise('holds requests while frozen and answers them when thawed', async () => {
    const instance = await running()
    await instance.freeze(patience())
    expect(instance.tier).toBe('frozen')
    const answer = ask(instance, '/')
    await instance.thaw(patience())
    expect(instance.tier).toBe('running')
    expect(await answer).toMatchObject({method: 'GET'})
  })

  promise('freezes and thaws again and again, and twice is once', async () => {
    const instance = await running()
    for (let round = 0; round < 3; round++) {
      await instance.freeze(patience())
      await instance.freeze(patience())
      await instance.thaw(patience())
      await instance.thaw(patience())
      expect(await ask(instance, '/')).toMatchObject({method: 'GET'})
    }
  })

  promise('changes tiers in the order in which it was asked to', async () => {
    const instance = await running()
    await Promise.all([instance.freeze(patience()), instance.thaw(patience())])
    expect(instance.tier).toBe('running')
    await Promise.all([instance.thaw(patience()), instance.freeze(patience())])
    expect(instance.tier).toBe('frozen')
    expect((await world().runtime.list(patience())).find(({id}) => id === instance.id)).toMatchObject({tier: 'frozen'})
  })

  promise('freezes a function that has only just begun, and thaws it whole', async () => {
    for (let round = 0; round < 3; round++) {
      const instance = await start()
      await instance.freeze(patience())
      await instance.thaw(patience())
      await instance.ready(patience())
    }
  })

  promise('kills a frozen function at once', async () => {
    const instance = await running({env: {ECHO_STUBBORN: 'yes'}})
    await instance.freeze(patience())
    await instance.stop({graceMs: 0}, patience())
    expect((await instance.exited).exitCode).toBe(137)
    expect((await world().runtime.list(patience())).map(({id}) => id)).not.toContain(instance.id)
  })

  promise('names what holding an instance frozen costs', async () => {
    const {tiers} = await world().runtime.probe(patience())
    expect(tiers.find((held) => held.tier === 'frozen')?.heldBytes).toBeGreaterThanOrEqual(0)
  })

  promise('hands a frozen function to a later process, which thaws it', async () => {
    const instance = await running()
    await instance.freeze(patience())
    const later = await world().reopen()
    try {
      const adopted = (await later.list(patience())).find(({id}) => id === instance.id)
      expect(adopted).toMatchObject({tier: 'frozen'})
      const answer = ask(instance, '/')
      await adopted?.thaw(patience())
      expect(await answer).toMatchObject({method: 'GET'})
      await adopted?.stop({graceMs: PATIENCE_MS}, patience())
      expect((await adopted?.exited)?.exitCode).toBe(143)
    } finally {
      await later.close()
    }
  })

  promise('stops a frozen function', async () => {
    const instance = await running()
    await instance.freeze(patience())
    await instance.stop({graceMs: PATIENCE_MS}, patience())
    expect((await instance.exited).exitCode).toBe(143)
  })
}

function waitingPromises(tier: WaitingTier, {promise, create, specOf, world}: Contract): void {
  promise(`names what holding an instance ${tier} costs`, async () => {
    const {tiers} = await world().runtime.probe(patience())
    expect(tiers.find((held) => held.tier === tier)?.heldBytes).toBeGreaterThanOrEqual(0)
  })

  promise(`holds an instance ${tier} without a process of the function, and runs it`, async () => {
    const instance = await create(tier, {env: {GREETING: 'late'}, labels: {revision: 'r2'}})
    expect(instance.tier).toBe(tier)
    expect((await world().runtime.list(patience())).find(({id}) => id === instance.id)).toMatchObject({tier, labels: {revision: 'r2'}})
    expect((await instance.stats(patience())).cpuMicros).toBeLessThan(WAITING_CPU_MICROS_MAX)
    await expect(ask(instance, '/')).rejects.toMatchObject({code: 'ENOENT'})
    await Promise.all([instance.run(patience()), instance.run(patience())])
    await instance.ready(patience())
    expect(instance.tier).toBe('running')
    expect(await ask(instance, '/')).toMatchObject({env: {GREETING: 'late'}})
    await instance.run(patience())
    await instance.stop({graceMs: PATIENCE_MS}, patience())
    expect((await instance.exited).exitCode).toBe(143)
  })

  promise(`says how a function ended that was ${tier} and did not become ready`, async () => {
    const instance = await create(tier, {env: {ECHO_CRASH: 'no database'}})
    await instance.run(patience())
    await expect(instance.ready(patience())).rejects.toMatchObject({code: 'failed', message: expect.stringContaining('no database')})
    expect(await instance.exited).toEqual({exitCode: 3, oom: false})
    expect(instance.tier).toBe('running')
  })

  promise(`stops an instance that is ${tier}, and frees its id`, async () => {
    const spec = specOf()
    const instance = await world().runtime.create(spec, tier, patience())
    await expect(world().runtime.start(spec, patience())).rejects.toMatchObject({code: 'conflict'})
    await instance.stop({graceMs: PATIENCE_MS}, patience())
    expect((await instance.exited).exitCode).toBe(137)
    expect((await world().runtime.list(patience())).map(({id}) => id)).not.toContain(spec.id)
    await (await world().runtime.create(spec, tier, patience())).stop({graceMs: 0}, patience())
  })

  promise(`leaves nothing of one that shall be ${tier} and was called off`, async () => {
    const spec = specOf()
    await expect(world().runtime.create(spec, tier, AbortSignal.abort())).rejects.toMatchObject({code: 'interrupted'})
    expect((await world().runtime.list(patience())).map(({id}) => id)).not.toContain(spec.id)
  })

  promise(`hands an instance that is ${tier} to a later process, which runs it`, async () => {
    const instance = await create(tier, {labels: {revision: 'r3'}})
    const later = await world().reopen()
    try {
      const adopted = (await later.list(patience())).find(({id}) => id === instance.id)
      expect(adopted).toMatchObject({labels: {revision: 'r3'}, tier, socketPath: instance.socketPath})
      await adopted?.run(patience())
      await adopted?.ready(patience())
      expect(await ask(instance, '/')).toMatchObject({method: 'GET'})
      await adopted?.stop({graceMs: PATIENCE_MS}, patience())
      expect((await adopted?.exited)?.exitCode).toBe(143)
    } finally {
      await later.close()
    }
  })
}
