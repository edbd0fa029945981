import {KeptBook} from '../core/kept-book.ts'
import type {BookView} from '../core/protocol/api.ts'
import type {EventTopic, NetworkEvent} from '../core/protocol/events.ts'
import type {Reads} from './reads.ts'

export interface FollowedBook {
  readonly incentive: string
  /** How many levels of each side are wanted, at most as many as a book shows. */
  readonly levels: number
  /** What else is told of the market. */
  readonly topics?: readonly EventTopic[]
}

/**
 * A market's book as it changes, kept from a stream that goes on where it was cut, and the events of other topics. Where too much was missed, or too few
 * of the levels are known any more, it goes on with a whole book.
 * @throws {CreoError} what the coordinator refuses for good, or `interrupted`.
 */
export async function* followBook(
  reads: Pick<Reads, 'book' | 'watch'>,
  {incentive, levels, topics = []}: FollowedBook,
  signal: AbortSignal
): AsyncGenerator<{readonly event: NetworkEvent} | {readonly book: BookView}> {
  const kept = new KeptBook()
  for await (const event of reads.watch({topics: ['books', ...topics], incentive}, signal)) {
    if (event.name === 'reset') kept.forget()
    if (event.name !== 'book') {
      yield {event}
      continue
    }
    if (!kept.take(event.data)) continue
    if (kept.isShallow(levels)) kept.take({...(await reads.book(incentive, signal)), whole: true})
    const book = kept.view()
    if (book !== undefined) yield {book}
  }
}
