import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {afterEach, expect, it} from 'vitest'
import type {NetworkEvent} from '../../src/core/protocol/events.ts'
import {client, closeAll} from './client-world.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await closeAll()
  for (const close of closers.splice(0)) await close()
})

const open = 'id: 5\nevent: open\ndata: {"sequence":5}\n\n'
const group = (seq: number): string => `id: ${seq}\nevent: group\ndata: {"firstSeq":${seq},"lastSeq":${seq},"atMs":1}\n\n`

/** Answers the n-th request with the n-th text, and cuts the line after it; `refusal` answers an error. */
async function coordinator(answers: readonly (string | {readonly refusal: string; readonly status: number})[]) {
  const places: (string | undefined)[] = []
  const server = createServer((request, response) => {
    const answer = answers[places.length] ?? ''
    places.push(request.headers['last-event-id'] as string | undefined)
    if (typeof answer !== 'string')
      response.writeHead(answer.status).end(JSON.stringify({error: {code: answer.refusal, message: 'No.', hint: 'Wait.'}}))
    else response.writeHead(200, {'content-type': 'text/event-stream'}).write(answer, () => request.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => new Promise((resolve) => server.close(resolve)))
  return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, places}
}

async function watched(url: string, count: number): Promise<NetworkEvent[]> {
  const seen: NetworkEvent[] = []
  for await (const event of client(url).watch({topics: ['groups']}, new AbortController().signal)) {
    seen.push(event)
    if (seen.length === count) break
  }
  return seen
}

it('goes on after the last event, and after an id that came alone, over lines that are cut and a coordinator that is not there', async () => {
  const unavailable = {refusal: 'unavailable', status: 503}
  const {url, places} = await coordinator([`${open}${group(6)}id: 7\n\nevent: group\ndata: {"fir`, unavailable, group(8), group(9)])
  const seen = await watched(url, 4)
  expect(seen.map(({name, id}) => [name, id])).toEqual([
    ['open', 5],
    ['group', 6],
    ['group', 8],
    ['group', 9]
  ])
  expect(places).toEqual([undefined, '7', '7', '8'])
})

it('leaves out what it does not know, and ends with what is refused for good', async () => {
  const strange = 'event: weather\ndata: {}\n\nevent: group\ndata: {"firstSeq":"one"}\n\n'
  const {url} = await coordinator([strange + group(6), {refusal: 'forbidden', status: 403}])
  expect(await watched(url, 1)).toMatchObject([{name: 'group', data: {firstSeq: 6}}])
  const other = await coordinator([{refusal: 'forbidden', status: 403}])
  await expect(watched(other.url, 1)).rejects.toMatchObject({code: 'forbidden'})
})
