import {expect, it} from 'vitest'
import {BodyRoom} from '../../src/gateway/async/read-body.ts'
import type {CallOwner, Client, ClientCall} from '../../src/gateway/http/client-call.ts'

interface Sending {
  readonly call: ClientCall
  send(bytes: number): void
  end(): void
}

function sendingOf(client: Partial<Client> & Pick<Client, 'address'>): Sending {
  const call = {
    head: {body: 'length'},
    client: {secure: false, ...client},
    isGone: false,
    owner: undefined as CallOwner | undefined,
    interim: () => undefined,
    takeBody: () => undefined,
    holdBody: () => undefined
  }
  return {
    call: call as unknown as ClientCall,
    send: (bytes) => call.owner?.onBody(Buffer.alloc(bytes)),
    end: () => call.owner?.onBodyEnd([])
  }
}

const limits = {bodyBytesMax: 60, heldBytesMax: 200, clientHeldBytesMax: 100}

it('one client has a part of the room alone, and gets it back', async () => {
  const room = new BodyRoom(limits)
  const read = (sending: Sending): Promise<number> => room.with(sending.call, async (body) => body.length)
  const [first, second, third] = ['2001:db8::1', '2001:db8::2', '2001:db8::1'].map((address) => sendingOf({address}))
  const other = sendingOf({address: '203.0.113.9'})
  if (first === undefined || second === undefined || third === undefined) return expect.unreachable()
  const reading = [read(first), read(second)]
  first.send(60)
  second.send(41)
  await expect(reading[1]).rejects.toMatchObject({code: 'rate_limited'})
  const others = read(other)
  other.send(60)
  other.end()
  expect(await others).toBe(60)
  first.end()
  expect(await reading[0]).toBe(60)
  const again = read(third)
  third.send(60)
  third.end()
  expect(await again).toBe(60)
})

it('instances of one lease are one client, and on loopback only the whole room counts', async () => {
  const room = new BodyRoom({...limits, heldBytesMax: 150})
  const read = (sending: Sending): Promise<number> => room.with(sending.call, async (body) => body.length)
  const callers = ['i1', 'i2'].map((instance) => sendingOf({address: instance, caller: {node: 'n', lease: 'l', instance}}))
  const reading = callers.map(read)
  for (const caller of callers) caller.send(51)
  await expect(reading[1]).rejects.toMatchObject({code: 'rate_limited'})
  callers[0]?.end()
  expect(await reading[0]).toBe(51)
  const locals = [1, 2, 3].map(() => sendingOf({address: '127.0.0.1'}))
  const local = locals.map(read)
  for (const one of locals) one.send(51)
  await expect(local[2]).rejects.toMatchObject({code: 'overloaded'})
  for (const one of locals) one.end()
  expect(await Promise.all(local.slice(0, 2))).toEqual([51, 51])
})
