import {once} from 'node:events'
import {createServer} from 'node:http'
import {connect} from 'node:net'
import {describe, expect, it} from 'vitest'
import {listenOn} from '../../src/gateway/listen.ts'

describe('a listener that closes', () => {
  it('cuts a WebSocket off that would stay open for ever', async () => {
    const server = createServer().on('upgrade', (_request, socket) => {
      socket.on('error', () => undefined)
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    })
    const listening = await listenOn(server, {host: '127.0.0.1', port: 0}, {closeMaxMs: 50})
    const client = connect({port: listening.port, host: '127.0.0.1', allowHalfOpen: true})
    client.on('error', () => undefined)
    client.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
    await once(client, 'data')
    await listening.close()
    expect(server.listening).toBe(false)
    client.destroy()
  })
})
