import {cpus, totalmem} from 'node:os'
import {resolve} from 'node:path'
import {expect, test} from 'vitest'
import {readLending} from '../../src/cli/read-lending.ts'

type Flags = Parameters<typeof readLending>[0]

function read(said: Partial<Flags>): ReturnType<typeof readLending> {
  const none = {
    data: undefined,
    earn: undefined,
    cpu: undefined,
    memory: undefined,
    disk: undefined,
    functions: undefined,
    hours: undefined
  }
  return readLending({...none, 'only-idle': undefined, 'on-battery': undefined, ...said})
}

test('--data says a folder, an amount a month, or both', () => {
  expect(read({data: ['miner', '20GB/month']})).toMatchObject({directory: resolve('miner'), given: {dataBytesPerMonth: 20e9}})
  expect(read({data: ['none']}).given.dataBytesPerMonth).toBeNull()
})

test.each(['20GB', '20GB/week', '20 GB', '1.5g', '1TB', '100MiB / month', '5B'])('--data %s is never taken for a folder', (text) => {
  const hint = `Write an amount as 20GB/month; a folder of that name is ./${text}`
  expect(() => read({data: [text]})).toThrow(expect.objectContaining({code: 'usage', hint}))
})

test.each(['./20GB', '2', '2miners', '20GBs', '3-kitchen'])('--data %s is a folder', (text) => {
  expect(read({data: [text]}).directory).toBe(resolve(text))
})

test('a machine lends at most what it has', () => {
  const count = cpus().length
  expect(read({cpu: `${count}`}).given.cpuMillis).toBe(count * 1000)
  const message = `This machine has ${count} CPUs.`
  expect(() => read({cpu: `${count}.1`})).toThrow(expect.objectContaining({code: 'invalid_input', message}))
  const much = `${Math.ceil(totalmem() / 2 ** 20) + 1}MiB`
  expect(() => read({memory: much})).toThrow(
    expect.objectContaining({code: 'invalid_input', message: expect.stringMatching(/^This machine has .* of memory\.$/)})
  )
})

test.each([
  [{memory: '1B'}, '--memory 16MiB'],
  [{disk: '1KiB'}, '--disk 16MiB'],
  [{data: ['1B/month']}, '--data 16MiB/month']
])('%j would let nothing run', (said, least) => {
  expect(() => read(said)).toThrow(expect.objectContaining({code: 'invalid_input', hint: `Lend at least ${least}`}))
})

test.each(['darwin', 'win32'] as const)('a machine with %s is told that a miner needs Linux', (platform) => {
  const own = process.platform
  Object.defineProperty(process, 'platform', {value: platform})
  try {
    const message = `A miner needs Linux, whose containers it runs; this is ${platform}.`
    expect(() => read({})).toThrow(expect.objectContaining({code: 'runtime_missing', message, hint: expect.stringContaining('Linux')}))
  } finally {
    Object.defineProperty(process, 'platform', {value: own})
  }
})
