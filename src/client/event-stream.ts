import {CreoError} from '../core/errors.ts'

/** Longest line and most lines of an event; the coordinator's are far shorter. */
const LINE_CHARS_MAX = 2 ** 20
const DATA_LINES_MAX = 64
const LINE_END = /\r\n|\n|\r/

/** One event of a stream: its id is the last one that came, with it or before it. */
export interface StreamedEvent {
  readonly name: string
  readonly data: string
  readonly id: string
}

/**
 * Reads server-sent events as the HTML standard has them ("Interpreting an event stream"). A block without data gives no event, but its id is given:
 * with the name ''.
 * @throws {CreoError} `bad_gateway` for a line, or an event, without an end.
 */
export async function* readEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<StreamedEvent> {
  let event = {name: '', data: [] as string[], id: ''}
  for await (const line of linesOf(chunks)) {
    if (line === '') {
      const {id} = event
      if (event.data.length > 0) yield {name: event.name === '' ? 'message' : event.name, data: event.data.join('\n'), id}
      else if (id !== '') yield {name: '', data: '', id}
      event = {name: '', data: [], id}
      continue
    }
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (field === 'event') event.name = value
    else if (field === 'data') event.data.push(value)
    else if (field === 'id' && !value.includes('\0')) event.id = value
    if (event.data.length > DATA_LINES_MAX)
      throw new CreoError('bad_gateway', `An event of the stream has more than ${DATA_LINES_MAX} lines.`)
  }
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, {stream: true})
    for (let end = LINE_END.exec(rest); end !== null; end = LINE_END.exec(rest)) {
      // A line feed may follow with the next bytes.
      if (end[0] === '\r' && end.index === rest.length - 1) break
      yield rest.slice(0, end.index)
      rest = rest.slice(end.index + end[0].length)
    }
    if (rest.length > LINE_CHARS_MAX)
      throw new CreoError('bad_gateway', `A line of the event stream is longer than ${LINE_CHARS_MAX} characters.`)
  }
}
