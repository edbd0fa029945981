import {once} from 'node:events'
import {createServer} from 'node:net'
import {text} from 'node:stream/consumers'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import type {InstanceSpec, RuntimeInstance, WaitingTier} from '../../src/runtime/port.ts'
import {ask, type Contract, type ContractWorld, PATIENCE_MS, patience} from './contract-world.ts'
import {tierPromises} from './tier-promises.ts'
import {waysOutPromises} from './ways-out-promises.ts'

const MIB = 2 ** 20
const PORT = 8080
const LIMITS = {memoryBytes: 256 * MIB, cpuMillis: 1000, pidsMax: 64, scratchBytes: 4 * MIB, logBytes: MIB}

/**
 * What every container runtime promises. `skip` maps a title to the reason why this implementation can't keep it.
 */
export function runtimeContract(name: string, open: () => Promise<ContractWorld>, skip: Readonly<Record<string, string>> = {}): void {
  describe(`the runtime "${name}"`, () => {
    let world: ContractWorld
    let started = 0
    const instances: RuntimeInstance[] = []
    const promise = (title: string, body: () => Promise<void>) => test.skipIf(title in skip)(title, body)

    beforeAll(async () => {
      world = await open()
      await world.runtime.prepare(world.echoImage, patience())
    })
    afterAll(async () => {
      for (const instance of instances) await instance.stop({graceMs: 0}, patience())
      await world.close()
    })

    const specOf = (overrides: Partial<InstanceSpec> = {}): InstanceSpec => {
      started += 1
      const {manifestDigest: imageDigest} = world.echoImage
      return {id: `echo-${started}`, imageDigest, argv: [], env: {}, port: PORT, limits: LIMITS, labels: {}, ...overrides}
    }
    const start = async (overrides: Partial<InstanceSpec> = {}) => {
      const instance = await world.runtime.start(specOf(overrides), patience())
      instances.push(instance)
      return instance
    }
    const create = async (tier: WaitingTier, overrides: Partial<InstanceSpec> = {}) => {
      const instance = await world.runtime.create(specOf(overrides), tier, patience())
      instances.push(instance)
      return instance
    }
    const running = async (overrides: Partial<InstanceSpec> = {}) => {
      const instance = await start(overrides)
      await instance.ready(patience())
      return instance
    }
    const context: Contract = {promise, start, create, running, specOf, world: () => world}
    lifecyclePromises(context)
    tierPromises(context)
    observationPromises(context)
    limitPromises(context)
    sandboxPromises(context)
    waysOutPromises(context)
  })
}

function lifecyclePromises({promise, start, running, specOf, world}: Contract): void {
  promise('serves HTTP on its socket, with the environment, port and body it was given', async () => {
    const instance = await running({env: {GREETING: 'hello'}})
    const said = await ask(instance, '/', {method: 'POST', body: 'a body'})
    expect(said).toMatchObject({method: 'POST', body: 'a body', env: {GREETING: 'hello', PORT: String(PORT)}})
  })

  promise('refuses to start the same id twice', async () => {
    const instance = await start()
    await expect(world().runtime.start(specOf({id: instance.id}), patience())).rejects.toMatchObject({code: 'conflict'})
  })

  promise('refuses an image that was not prepared', async () => {
    const imageDigest = `sha256:${'0'.repeat(64)}`
    await expect(world().runtime.start(specOf({imageDigest}), patience())).rejects.toMatchObject({code: 'image_missing'})
  })

  promise('says how a function ended that never became ready, with its last words', async () => {
    const instance = await start({env: {ECHO_CRASH: 'no database'}})
    const failure = {code: 'failed', message: expect.stringContaining('no database')}
    await expect(instance.ready(patience())).rejects.toMatchObject(failure)
    expect(await instance.exited).toEqual({exitCode: 3, oom: false})
  })

  promise('gives up waiting when told to', async () => {
    const instance = await start({env: {ECHO_SILENT: 'yes'}})
    await expect(instance.ready(AbortSignal.abort())).rejects.toMatchObject({code: 'timeout'})
  })

  promise('leaves nothing of a start that was called off', async () => {
    const spec = specOf()
    await expect(world().runtime.start(spec, AbortSignal.abort())).rejects.toMatchObject({code: 'interrupted'})
    expect((await world().runtime.list(patience())).map(({id}) => id)).not.toContain(spec.id)
  })

  promise('lets a function end by itself on stop, and reports its exit code', async () => {
    const instance = await running({env: {ECHO_POLITE: 'yes'}})
    await instance.stop({graceMs: PATIENCE_MS}, patience())
    expect(await instance.exited).toEqual({exitCode: 9, oom: false})
  })

  promise('kills a function that does not end, and stopping again does nothing', async () => {
    const instance = await running({env: {ECHO_STUBBORN: 'yes'}})
    await instance.stop({graceMs: 50}, patience())
    await instance.stop({graceMs: 50}, patience())
    expect((await instance.exited).exitCode).toBe(137)
    expect((await world().runtime.list(patience())).map(({id}) => id)).not.toContain(instance.id)
  })

  promise('hands its instances to a later process', async () => {
    const instance = await running({labels: {revision: 'r1'}})
    const later = await world().reopen()
    try {
      const adopted = (await later.list(patience())).find(({id}) => id === instance.id)
      expect(adopted).toMatchObject({labels: {revision: 'r1'}, tier: 'running', socketPath: instance.socketPath})
      await adopted?.ready(patience())
      await adopted?.stop({graceMs: PATIENCE_MS}, patience())
      expect((await adopted?.exited)?.exitCode).toBe(143)
    } finally {
      await later.close()
    }
  })
}

function observationPromises({promise, running}: Contract): void {
  promise('keeps what a function wrote, and follows it to its end', async () => {
    const instance = await running()
    const followed = text(instance.logs({follow: true}, patience()))
    await ask(instance, '/log?text=one')
    await ask(instance, '/log?text=two')
    await ask(instance, '/crash?code=4').catch(() => undefined)
    expect(await instance.exited).toEqual({exitCode: 4, oom: false})
    expect(await followed).toContain('one\ntwo\n')
    expect(await text(instance.logs({follow: false}, patience()))).toContain('one\ntwo\n')
  })

  promise('measures what an instance uses', async () => {
    const instance = await running()
    const stats = await instance.stats(patience())
    expect(stats.cpuMicros).toBeGreaterThan(0)
    expect(stats.memoryBytes).toBeGreaterThan(0)
    expect(stats.pids).toBeGreaterThan(0)
  })
}

function limitPromises({promise, running, world}: Contract): void {
  promise('enforces limits and says so', async () => {
    expect(await world().runtime.probe(patience())).toMatchObject({enforcesLimits: true, problems: []})
  })

  promise('ends a function that takes more memory than it may, and says that this was why', async () => {
    const instance = await running({limits: {...LIMITS, memoryBytes: 128 * MIB}})
    await expect(ask(instance, '/memory?mib=512')).rejects.toThrow()
    expect(await instance.exited).toEqual({exitCode: 137, oom: true})
  })

  promise('lets a function start no more processes than it may', async () => {
    const instance = await running({limits: {...LIMITS, pidsMax: 32}})
    expect(await ask(instance, '/processes?count=40')).toContain('EAGAIN')
  })

  promise('gives a function scratch space of the size it may use, and nothing else to write to', async () => {
    const instance = await running()
    const writes = ['/tmp/x', '/x', '/app/x', '/run/creo/x', '/dev/x'].map((path) => ask(instance, `/write?path=${path}`))
    const [scratch, ...elsewhere] = await Promise.all(writes)
    expect(scratch).toBe('done')
    for (const code of elsewhere) expect(code).toMatch(/^(EROFS|EACCES)$/)
  })
}

function sandboxPromises({promise, running}: Contract): void {
  promise('runs a function as nobody of the host', async () => {
    const instance = await running()
    expect(await ask(instance, '/')).toMatchObject({uid: 65532})
    expect(await ask(instance, '/ids')).not.toMatch(/^\s*0\s+0\s/)
  })

  promise('takes every privilege from a function', async () => {
    const status = await ask(await running(), '/status')
    expect(status).toMatch(/^CapEff:\t0+$/m)
    expect(status).toMatch(/^CapBnd:\t0+$/m)
    expect(status).toMatch(/^NoNewPrivs:\t1$/m)
    expect(status).toMatch(/^Seccomp:\t2$/m)
  })

  promise('gives a function no network but its own loopback', async () => {
    const listener = createServer().listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const {port} = listener.address() as {port: number}
    const instance = await running()
    expect(await ask(instance, `/connect?port=${port}`)).toBe('ECONNREFUSED')
    expect(await ask(instance, '/interfaces')).not.toContain('eth0')
    listener.close()
  })

  promise('refuses new user namespaces', async () => {
    expect(await ask(await running(), '/unshare')).toMatch(/Operation not permitted/)
  })
}
