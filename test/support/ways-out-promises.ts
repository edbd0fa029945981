import {once} from 'node:events'
import {chmod, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {createServer, type Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect} from 'vitest'
import {CALLS_SOCKET, HOSTS_FILE, hostsText, PROXY_SOCKET, SECRETS_SOCKET, secretsBytes} from '../../src/runtime/ways-out.ts'
import {ask, type Contract, patience} from './contract-world.ts'

/** What every runtime promises of the ways out that it is given. */
export function waysOutPromises({promise, running, create, world}: Contract): void {
  promise('gives a function the secrets that the socket says when its process starts, beside its other environment', async () => {
    const ways = await openWaysOut()
    let value = 'at first'
    const stop = await ways.listen(SECRETS_SOCKET, (socket) => socket.end(secretsBytes({API_KEY: value, LINES: 'a\nb = c'})))
    const options = {env: {GREETING: 'hello'}, waysOut: {directory: ways.directory, proxy: false, hosts: [], secrets: true}}
    try {
      const env = {GREETING: 'hello', API_KEY: 'at first', LINES: 'a\nb = c'}
      expect(await ask(await running(options), '/')).toMatchObject({env})
      const {tiers} = await world().runtime.probe(patience())
      const tier = tiers.some((held) => held.tier === 'initialised') ? 'initialised' : 'created'
      const waiting = await create(tier, options)
      value = 'meanwhile'
      await waiting.run(patience())
      await waiting.ready(patience())
      expect(await ask(waiting, '/')).toMatchObject({env: {...env, API_KEY: 'meanwhile'}})
    } finally {
      await stop()
      await ways.close()
    }
  })

  promise('connects a function to the proxy it was given, and to none otherwise', async () => {
    const ways = await openWaysOut()
    const proxy = await ways.listen(PROXY_SOCKET, (socket) => {
      socket.once('data', (bytes) => socket.end(`HTTP/1.1 200 ${String(bytes).split(' HTTP')[0]}\r\n\r\n`))
    })
    try {
      const instance = await running({waysOut: {directory: ways.directory, proxy: true, hosts: []}})
      expect(await ask(instance, '/proxy?to=example.org:443')).toBe('HTTP/1.1 200 CONNECT example.org:443\r\n\r\n')
      expect(await ask(instance, '/call?url=http://127.0.0.1/')).toBe('ECONNREFUSED')
      const closed = (await ask(await running(), '/')) as {env: Record<string, string>}
      expect(closed.env).not.toHaveProperty('HTTP_PROXY')
    } finally {
      await proxy()
      await ways.close()
    }
  })

  promise(
    'connects a function to the hosts it was given, by their names alone, also through a socket that a later process made',
    async () => {
      const ways = await openWaysOut()
      const hosts = ['till.internal', 'stock-room.internal']
      await writeFile(join(ways.directory, HOSTS_FILE), hostsText(hosts))
      const answering = (words: string) => ways.listen(CALLS_SOCKET, (socket) => answerCall(socket, words))
      try {
        const first = await answering('first')
        const instance = await running({waysOut: {directory: ways.directory, proxy: true, hosts}})
        expect(await ask(instance, '/call?url=http://till.internal/a')).toBe('first: GET /a for till.internal')
        expect(await ask(instance, '/call?url=http://stock-room.internal/b&by=fetch')).toBe('first: GET /b for stock-room.internal')
        expect(await ask(instance, '/call?url=http://till.internal.example/')).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/)
        expect(await ask(instance, '/call?url=http://elsewhere.internal/')).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/)
        expect(await ask(instance, '/')).toMatchObject({env: {NO_PROXY: 'localhost,127.0.0.1,till.internal,stock-room.internal'}})
        expect(await ask(instance, `/write?path=/etc/hosts`)).toMatch(/^(EROFS|EACCES)$/)
        for (const name of ['x', 'calls', 'hosts']) {
          expect(await ask(instance, `/write?path=/run/creo/out/${name}`), name).toMatch(/^(EROFS|EACCES|ENXIO)$/)
        }
        await first()
        expect(await ask(instance, '/call?url=http://till.internal/')).toBe('ECONNRESET')
        const second = await answering('second')
        expect(await ask(instance, '/call?url=http://till.internal/c')).toBe('second: GET /c for till.internal')
        await second()
      } finally {
        await ways.close()
      }
    }
  )
}

interface OpenWaysOut {
  readonly directory: string
  /** Makes a socket of that name; the answer takes it away. */
  listen(name: string, onConnection: (socket: Socket) => void): Promise<() => Promise<void>>
  close(): Promise<void>
}

async function openWaysOut(): Promise<OpenWaysOut> {
  const directory = await mkdtemp(join(tmpdir(), 'creo-out-'))
  await chmod(directory, 0o755)
  return {
    directory,
    listen: async (name, onConnection) => {
      const server = createServer(onConnection).listen(join(directory, name))
      await once(server, 'listening')
      await chmod(join(directory, name), 0o666)
      return async () => {
        server.close()
        await once(server, 'close')
      }
    },
    close: () => rm(directory, {recursive: true})
  }
}

/** Says back what was asked for. */
function answerCall(socket: Socket, words: string): void {
  socket.once('data', (bytes) => {
    const [line = '', ...headers] = String(bytes).split('\r\n')
    const host = headers.find((header) => /^host:/i.test(header))?.slice('host: '.length)
    const body = `${words}: ${line.replace(' HTTP/1.1', '')} for ${host}`
    socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`)
  })
}
