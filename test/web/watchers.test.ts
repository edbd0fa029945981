import {once} from 'node:events'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {afterEach, expect, test} from 'vitest'
import {runFunction, stopFunctions} from '../support/function-server.ts'

const SEATS = 225
const leaving = new AbortController()
const coordinator = createServer((_, response) => void response.writeHead(200, {'content-type': 'text/event-stream'}).flushHeaders())

afterEach(async () => {
  leaving.abort()
  await stopFunctions()
  coordinator.closeAllConnections()
  coordinator.close()
})

test('nobody holds all seats: who has most gives one up to who has fewer, and takes none back', async () => {
  coordinator.listen(0, '127.0.0.1')
  await once(coordinator, 'listening')
  const {port} = coordinator.address() as AddressInfo
  const {url} = await runFunction('apps/exchange/quotes', {COORDINATOR_URL: `http://127.0.0.1:${port}`})
  const cut: number[] = []
  const watch = async (client: string, number = 0): Promise<number> => {
    const {status, body} = await fetch(`${url}/quotes/events`, {headers: {'x-forwarded-for': client}, signal: leaving.signal})
    if (status === 200) void body?.pipeTo(new WritableStream()).catch(() => leaving.signal.aborted || cut.push(number))
    else await body?.cancel()
    return status
  }
  // One line, by an address of its network each.
  for (let number = 1; number <= SEATS; number += 1) expect(await watch(`2001:db8::${number.toString(16)}`, number)).toBe(200)
  expect(await watch('2001:db8:0:0:1:2:3:4')).toBe(503)
  expect(await watch('192.0.2.7')).toBe(200)
  expect(await watch('192.0.2.8')).toBe(200)
  await expect.poll(() => cut).toEqual([1, 2])
  expect(await watch('2001:db8::ffff')).toBe(503)
  for (let more = 1; more < Math.floor(SEATS / 2); more += 1) expect(await watch('192.0.2.7')).toBe(200)
  expect(await watch('192.0.2.7')).toBe(503)
})
