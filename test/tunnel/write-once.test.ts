import {once} from 'node:events'
import {type AddressInfo, connect, createServer} from 'node:net'
import {PassThrough} from 'node:stream'
import {expect, it} from 'vitest'
import {writeOnce} from '../../src/tunnel/write-once.ts'

const LARGE_BYTES = 64 * 1024

it('what was written has its memory given back, and arrives whole', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [received] = await accepted
  const chunks: Buffer[] = []
  received.on('data', (chunk: Buffer) => chunks.push(chunk))
  const large = Array.from({length: 20}, (_, at) => Buffer.from(new ArrayBuffer(LARGE_BYTES)).fill(at))
  const [begun, shared] = [Buffer.from(new ArrayBuffer(2 * LARGE_BYTES)).fill('a'), Buffer.from(new ArrayBuffer(1024)).fill('b')]
  for (const chunk of large) writeOnce(socket, chunk)
  // Something else may still lie behind the first; the second is too small to matter.
  writeOnce(socket, begun.subarray(0, LARGE_BYTES))
  writeOnce(socket, shared)
  expect(large.at(-1)?.length).toBe(LARGE_BYTES)
  socket.end()
  await once(received, 'end')
  expect(large.map(({length}) => length)).toEqual(large.map(() => 0))
  expect([begun.length, shared.length]).toEqual([2 * LARGE_BYTES, 1024])
  const expected = large.map((_, at) => Buffer.alloc(LARGE_BYTES, at))
  expect(Buffer.concat(chunks).equals(Buffer.concat([...expected, Buffer.alloc(LARGE_BYTES, 'a'), Buffer.alloc(1024, 'b')]))).toBe(true)
  received.destroy()
  server.close()
})

it('what goes to a stream that hands it on as it is stays', async () => {
  const stream = new PassThrough()
  const large = Buffer.from(new ArrayBuffer(LARGE_BYTES))
  writeOnce(stream, large)
  const [chunk] = await once(stream, 'data')
  expect(chunk).toBe(large)
  expect(large.length).toBe(LARGE_BYTES)
})
