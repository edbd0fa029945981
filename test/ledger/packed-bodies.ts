import type {CommandType} from '../../src/core/protocol/commands.ts'
import type {JournalBody} from '../../src/ledger/group.ts'
import {BodyWriter} from '../../src/ledger/packed-body.ts'

/** A body as the ledger packs it. */
export function packedBody({commands, state}: JournalBody, firstSeq: number): Buffer {
  const first = commands[0]
  const writer = new BodyWriter(first?.atMs ?? 0, first?.command.network ?? '', 0)
  for (const [index, {atMs, command, outcome}] of commands.entries()) {
    const {type} = JSON.parse(command.body) as {type: CommandType}
    writer.write({seq: firstSeq + index, atMs, type, command, outcome})
  }
  return writer.end(state)
}
