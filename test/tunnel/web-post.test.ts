import {createServer, type Server, type Socket} from 'node:net'
import {afterEach, expect, it} from 'vitest'
import {postAnywhere} from '../../src/tunnel/web-post.ts'

const servers: Server[] = []
const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) server.close()
})

/** A server that says this to whoever connects, and nothing else. */
async function urlOf(said: string): Promise<URL> {
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined).once('data', () => socket.write(said))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return new URL(`http://127.0.0.1:${(server.address() as {port: number}).port}/hook`)
}

async function post(said: string, ms: number): Promise<unknown> {
  return await postAnywhere({url: await urlOf(said), headers: {}, body: Buffer.from('{}')}, {}, AbortSignal.timeout(ms))
}

it('says the status of an answer, and when to come again', async () => {
  expect(await post('HTTP/1.1 503 no\r\nretry-after: 7\r\n\r\n', 5000)).toEqual({status: 503, retryAfterMs: 7000})
})

it('ends in time whatever is answered: other protocols that nobody asked for, half a head, nothing', async () => {
  await expect(post('HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n', 5000)).rejects.toMatchObject({code: 'bad_gateway'})
  await expect(post('HTTP/1.1 200', 200)).rejects.toThrow()
  await expect(post('', 200)).rejects.toThrow()
})
