import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {readEvents, type StreamedEvent} from '../../src/client/event-stream.ts'

async function eventsOf(pieces: readonly Uint8Array[]): Promise<StreamedEvent[]> {
  const chunks = async function* () {
    yield* pieces
  }
  return Array.fromAsync(readEvents(chunks()))
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('a stream of server-sent events', () => {
  it.each<[string, string, Partial<StreamedEvent>[]]>([
    ['name, id and data', 'event: trade\nid: 7\ndata: {"a":1}\n\n', [{name: 'trade', id: '7', data: '{"a":1}'}]],
    ['several lines of data as one text', 'data: a\ndata:b\ndata:  c\n\n', [{name: 'message', data: 'a\nb\n c'}]],
    ['an id that holds for the events after it', 'id: 3\ndata: a\n\ndata: b\n\n', [{id: '3'}, {id: '3', data: 'b'}]],
    ['an id alone, without an event', ':\nid: 9\n\n', [{name: '', id: '9', data: ''}]],
    ['nothing for comments and unknown fields', ': hello\n\nretry: 3\nwho: me\n\n', []],
    ['nothing for an event that was cut', 'event: a\ndata: 1\n\nevent: b\ndata: 2\n', [{name: 'a'}]],
    ['lines that end in all three ways', 'data: a\r\n\r\ndata: b\r\rdata: c\n\n', [{data: 'a'}, {data: 'b'}, {data: 'c'}]],
    ['no id with a zero in it', 'id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n', [{id: '1'}, {id: '1'}]]
  ])('gives %s', async (_what, text, expected) => {
    expect(await eventsOf([bytes(text)])).toMatchObject(expected)
  })

  it('means the same however its bytes are cut', async () => {
    const text = 'event: trade\r\nid: 7\r\ndata: {"name":"Kākāpō 🦜"}\r\n\r\n:\nid: 8\n\ndata: a\rdata: b\r\r'
    const whole = await eventsOf([bytes(`${text}\n`)])
    expect(whole).toHaveLength(3)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes(text).length), {maxLength: 12}), async (cuts) => {
        const all = bytes(`${text}\n`)
        const at = [0, ...cuts.sort((a, b) => a - b), all.length]
        expect(await eventsOf(at.slice(1).map((end, index) => all.slice(at[index], end)))).toEqual(whole)
      }),
      {numRuns: 200}
    )
  })

  it('is refused when an event has no end', async () => {
    await expect(eventsOf([bytes('data: a\n'.repeat(65))])).rejects.toMatchObject({code: 'bad_gateway'})
  })

  it('is refused when a line has no end', async () => {
    const piece = bytes('x'.repeat(2 ** 19))
    await expect(eventsOf([piece, piece, piece])).rejects.toMatchObject({code: 'bad_gateway'})
  })
})
