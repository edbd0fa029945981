import {getEventListeners, once} from 'node:events'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {ask} from '../../src/compose/ask.ts'
import {pause} from '../../src/compose/pause.ts'

const MEBIBYTE = 2 ** 20
const server = createServer((request, response) => response.end('x'.repeat(Number(request.url?.slice(1)))))
let url = ''
beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

it('reads what a network of many functions answers, and not without end', async () => {
  const {signal} = new AbortController()
  expect((await ask(`${url}/${MEBIBYTE}`, {signal})).text).toHaveLength(MEBIBYTE)
  await expect(ask(`${url}/${17 * MEBIBYTE}`, {signal})).rejects.toMatchObject({code: 'payload_too_large'})
})

it('leaves nothing at the signal however often it pauses, and ends with it', async () => {
  const stop = new AbortController()
  for (let turn = 0; turn < 20; turn += 1) await pause(1, stop.signal)
  expect(getEventListeners(stop.signal, 'abort')).toEqual([])
  const paused = pause(60_000, stop.signal)
  stop.abort()
  await paused
  await pause(60_000, stop.signal)
})
