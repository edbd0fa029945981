import {once} from 'node:events'
import {type AddressInfo, connect, createServer as createTcp} from 'node:net'
import type {Duplex} from 'node:stream'
import {afterEach, describe, expect, it} from 'vitest'
import {pipeSockets} from '../../src/tunnel/pipe-sockets.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close()
})

async function textOf(socket: Duplex): Promise<string> {
  let text = ''
  for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString()
  return text
}

describe('a pipe between two sockets', () => {
  async function pair(): Promise<[Duplex, Duplex]> {
    const server = createTcp({allowHalfOpen: true}).listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => void server.close())
    const near = connect({port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true})
    const [far] = (await once(server, 'connection')) as [Duplex]
    near.on('error', () => undefined)
    far.on('error', () => undefined)
    closers.push(() => {
      near.destroy()
      far.destroy()
    })
    return [near, far]
  }

  it('passes bytes, counts them, and half-closes', async () => {
    const [client, a] = await pair()
    const [b, backend] = await pair()
    const pipe = pipeSockets(a, b, {head: Buffer.from('head ')})
    client.end('and body')
    expect(await textOf(backend)).toBe('head and body')
    backend.end('answer after the end')
    expect(await textOf(client)).toBe('answer after the end')
    await pipe.closed
    expect([pipe.bytesAToB, pipe.bytesBToA]).toEqual([13, 20])
  })

  it('holds a fast sender back while the receiver does not read', async () => {
    const [client, a] = await pair()
    const [b, backend] = await pair()
    pipeSockets(a, b)
    const total = 32 * 2 ** 20
    client.end(Buffer.alloc(total))
    await new Promise((resolve) => setImmediate(resolve))
    expect(a.readableLength + b.writableLength).toBeLessThan(4 * 2 ** 20)
    let bytes = 0
    for await (const chunk of backend as AsyncIterable<Buffer>) bytes += chunk.length
    expect(bytes).toBe(total)
  })

  it('cuts the other side off when one breaks', async () => {
    const [client, a] = await pair()
    const [b, backend] = await pair()
    const pipe = pipeSockets(a, b)
    client.destroy()
    a.destroy(new Error('broken'))
    await pipe.closed
    expect(b.destroyed).toBe(true)
    expect(await textOf(backend)).toBe('')
  })

  it('ends when one side stays silent for too long after the other has ended', async () => {
    const [client, a] = await pair()
    const [b] = await pair()
    const pipe = pipeSockets(a, b, {silentMaxMs: 20})
    client.end()
    await pipe.closed
    expect(a.destroyed && b.destroyed).toBe(true)
  })
})
