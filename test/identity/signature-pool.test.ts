import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setImmediate} from 'node:timers/promises'
import {fileURLToPath, pathToFileURL} from 'node:url'
import {afterEach, expect, it, vi} from 'vitest'
import {generateKeyPair, signText} from '../../src/identity/keys.ts'
import {type SignatureCheck, SignaturePool, type SignaturePoolOptions} from '../../src/identity/signature-pool.ts'
import {temporaryFolder} from '../coordinator/coordinator-world.ts'

const [key, other] = [generateKeyPair(), generateKeyPair()]
const pools: SignaturePool[] = []
const folders: Awaited<ReturnType<typeof temporaryFolder>>[] = []
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close()
  for (const folder of folders.splice(0)) await folder.remove()
})

function poolOf(options: SignaturePoolOptions): SignaturePool {
  const pool = new SignaturePool(options)
  pools.push(pool)
  return pool
}

/** A thread that does something else with what it is sent. */
async function threadOf(body: string): Promise<URL> {
  const folder = await temporaryFolder()
  folders.push(folder)
  const path = join(folder.path, 'thread.mjs')
  const lines = [
    "import {appendFileSync} from 'node:fs'",
    "import {parentPort} from 'node:worker_threads'",
    `appendFileSync(${JSON.stringify(`${path}.started`)}, '.')`,
    `parentPort.on('message', () => {${body}})`
  ]
  await writeFile(path, lines.join('\n'))
  return pathToFileURL(path)
}

/** The text number `at`, signed by its key or, each third, by another. */
function check(at: number): SignatureCheck {
  const text = `text ${at}`
  const signature = Buffer.from(signText(at % 3 === 0 ? other : key, text), 'base64url')
  return {publicKey: key.publicKey, data: Buffer.from(text), signature}
}

async function checkMany(pool: SignaturePool, count: number): Promise<void> {
  const holds = await Promise.all(Array.from({length: count}, (_none, at) => pool.verify(check(at))))
  expect(holds).toEqual(Array.from({length: count}, (_none, at) => at % 3 !== 0))
}

it('checks a few in place and many on threads, each for who asked', async () => {
  const pool = poolOf({threadsMax: 2})
  await checkMany(pool, 3)
  expect(pool.threads).toBe(0)
  await checkMany(pool, 400)
  expect(pool.threads).toBe(2)
  await checkMany(pool, 3)
})

it('does a share of what comes at once itself while its threads are at work, and leaves a rush to them', async () => {
  const pool = poolOf({threadsMax: 1, workerUrl: await threadOf('')})
  const few = Array.from({length: 8}, (_none, at) => pool.verify(check(at)))
  expect(await Promise.all(few.slice(4))).toEqual([true, true, false, true])
  let done = 0
  const rush = Array.from({length: 300}, (_none, at) => pool.verify(check(at)).then(() => ++done))
  for (let turn = 0; turn < 5; turn += 1) await setImmediate()
  expect(done).toBe(0)
  await pool.close()
  await Promise.all([...few, ...rush])
})

it('refuses what is more than may wait, and takes it when it has come that far', async () => {
  const pool = poolOf({threadsMax: 1, queueMax: 10})
  const first = checkMany(pool, 10)
  expect(() => pool.verify(check(1))).toThrow(expect.objectContaining({code: 'overloaded'}))
  await first
  expect(await pool.verify(check(1))).toBe(true)
})

it('keeps room for what comes alone, however many come together', async () => {
  const pool = poolOf({threadsMax: 1, queueMax: 10})
  const many = Array.from({length: 8}, (_none, at) => pool.verify(check(at), {leavesRoom: true}))
  expect(() => pool.verify(check(1), {leavesRoom: true})).toThrow(expect.objectContaining({code: 'overloaded'}))
  expect(await pool.verify(check(1))).toBe(true)
  await Promise.all(many)
})

it('answers what a thread died of or was silent on, and goes on without it', async () => {
  const dying = poolOf({threadsMax: 1, workerUrl: await threadOf('process.exit(1)')})
  await checkMany(dying, 300)
  const broken = poolOf({threadsMax: 1, workerUrl: await threadOf("throw new Error('broken')")})
  await checkMany(broken, 300)
  await expect.poll(() => [dying.threads, broken.threads]).toEqual([0, 0])
})

it('starts another thread a while after one has died, and none before', async () => {
  vi.useFakeTimers({toFake: ['performance']})
  try {
    const workerUrl = await threadOf('process.exit(1)')
    const pool = poolOf({threadsMax: 1, workerUrl})
    const started = async () => (await readFile(`${fileURLToPath(workerUrl)}.started`, 'utf8')).length
    await checkMany(pool, 8)
    await checkMany(pool, 8)
    expect(await started()).toBe(1)
    vi.advanceTimersByTime(1001)
    await checkMany(pool, 8)
    expect(await started()).toBe(2)
  } finally {
    vi.useRealTimers()
  }
})

it('checks in place what its end leaves over', async () => {
  const pool = poolOf({threadsMax: 1, workerUrl: await threadOf('')})
  const waiting = checkMany(pool, 300)
  await expect.poll(() => pool.threads).toBe(1)
  await pool.close()
  await waiting
})
