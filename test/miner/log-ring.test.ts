import {once} from 'node:events'
import {PassThrough} from 'node:stream'
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {heartbeatSchema} from '../../src/core/protocol/api.ts'
import {LineCutter} from '../../src/miner/line-cutter.ts'
import {LogRing} from '../../src/miner/log-ring.ts'

const line = (text: string) => ({revision: 'rev_7', instance: 'i-1', atMs: 1, line: text})

test('lines stay until a heartbeat has brought them to the coordinator', () => {
  const ring = new LogRing()
  ring.add(line('a'))
  const batch = ring.batch()
  ring.add(line('b'))
  expect(ring.batch().map((one) => one.line)).toEqual(['a', 'b'])
  ring.sent(batch)
  expect(ring.batch().map((one) => one.line)).toEqual(['b'])
})

test('when they cannot leave, the oldest are dropped and counted', () => {
  const ring = new LogRing()
  for (let number = 0; number < 2003; number += 1) ring.add(line(String(number)))
  expect([ring.batch()[0]?.line, ring.droppedLines]).toEqual(['3', 3])
})

test('a heartbeat takes only what the protocol lets it', () => {
  const ring = new LogRing()
  for (let number = 0; number < 600; number += 1) ring.add(line('x'.repeat(5000)))
  const {logs} = heartbeatSchema.shape
  expect(logs.parse(ring.batch()).length).toBe(64)
  const short = new LogRing()
  for (let number = 0; number < 600; number += 1) short.add(line('x'))
  expect(logs.parse(short.batch()).length).toBe(500)
})

test('an output that breaks off ends quietly, with the lines that came before', async () => {
  const ring = new LogRing()
  const output = new PassThrough()
  void ring.follow(output, {revision: 'rev_7', instance: () => 'i-1', now: () => 5, container: 'c-1'})
  output.write('one\n')
  await expect.poll(() => ring.batch().length).toBe(1)
  const closed = once(output, 'close')
  output.destroy(new Error('the runtime has gone'))
  await expect(closed).rejects.toThrow('the runtime has gone')
  expect(ring.batch().map((one) => one.line)).toEqual(['one'])
})

test('what a function prints is cut into lines, whatever its pieces', async () => {
  const ring = new LogRing()
  const output = new PassThrough()
  void ring.follow(output, {revision: 'rev_7', instance: () => 'i-1', now: () => 5, container: 'c-1'})
  output.write('one\ntw')
  output.write('o\r\nthree')
  output.end()
  await expect.poll(() => ring.batch().map((one) => one.line)).toEqual(['one', 'two', 'three'])
})

test('of a line without end the beginning is shown as soon as it is there, and the rest is dropped', async () => {
  const ring = new LogRing()
  const output = new PassThrough()
  void ring.follow(output, {revision: 'rev_7', instance: () => 'i-1', now: () => 5, container: 'c-1'})
  for (let piece = 0; piece < 40; piece += 1) output.write('x'.repeat(64 * 1024))
  await expect.poll(() => ring.batch().map((one) => one.line)).toEqual(['x'.repeat(4096)])
  output.write('\nafter it\n')
  await expect.poll(() => ring.batch().map((one) => one.line)).toEqual(['x'.repeat(4096), 'after it'])
})

test('an instance that prints without end loses its own oldest lines, and no other instance loses any', () => {
  const ring = new LogRing()
  ring.add({...line('quiet'), instance: 'i-2'})
  for (let number = 0; number < 1000; number += 1) ring.add(line(String(number).padEnd(4096)))
  expect(ring.droppedLines).toBe(1000 - 64)
  ring.sent(ring.batch().slice(0, 1))
  expect(ring.batch()[0]?.line.trim()).toBe('936')
})

test.each([
  ['in a character', 'a€€', ['a€']],
  ['at a newline', 'abcde\nf', ['abcde', 'f']],
  ['before a newline', 'abcdef\r\ng', ['abcde', 'g']],
  ['after a return', 'abc\r\n\nd', ['abc', '', 'd']]
])('a limit of five bytes that falls %s', (_where, text, lines) => {
  const cutter = new LineCutter(5)
  const whole = cutter.push(Buffer.from(text))
  expect([...whole, ...cutter.end()]).toEqual(lines)
})

test('lines are the same whatever pieces their bytes come in', () => {
  fc.assert(
    fc.property(fc.string({unit: fc.constantFrom('a', '€', '\r', '\n')}), (text) => {
      const bytes = Buffer.from(text)
      const whole = new LineCutter(8)
      const pieces = new LineCutter(8)
      const single = [...bytes].flatMap((byte) => pieces.push(Buffer.from([byte])))
      expect([...single, ...pieces.end()]).toEqual([...whole.push(bytes), ...whole.end()])
    })
  )
})

test('a line ends where the next one begins, whatever its pieces, and where what was dropped of it ended', () => {
  const cutter = new LineCutter(5)
  const text = 'one\r\n\nmuch too long\ntwo\nrest'
  const ends: number[] = []
  for (const piece of ['one\r', '\n\nmuch too long\ntw', 'o\nrest']) {
    cutter.push(Buffer.from(piece))
    ends.push(...cutter.ends)
  }
  expect([...ends.map((end) => text.slice(0, end)), cutter.end()]).toEqual([
    'one\r\n',
    'one\r\n\n',
    'one\r\n\nmuch too long\n',
    'one\r\n\nmuch too long\ntwo\n',
    ['rest']
  ])
})

test('it is told how much of each container has arrived, and nothing of what waits', () => {
  const passed: [string, number][] = []
  const ring = new LogRing((...told) => passed.push(told))
  ring.add(line('a'), {container: 'c-1', endBytes: 2})
  ring.add(line('b'), {container: 'c-2', endBytes: 7})
  ring.add(line('c'), {container: 'c-1', endBytes: 4})
  const batch = ring.batch()
  ring.add(line('d'), {container: 'c-1', endBytes: 6})
  ring.add(line('its node says'))
  expect(passed).toEqual([])
  ring.sent(batch)
  expect(passed).toEqual([
    ['c-1', 4],
    ['c-2', 7]
  ])
})
