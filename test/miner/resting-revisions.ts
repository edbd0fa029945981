import type {RevisionEntry} from '../../src/core/protocol/tables.ts'
import {MIB, revisionEntry} from './worlds.ts'

/** Two leased revisions of the echo function. */
export function restingRevisions(imageDigest: string): readonly RevisionEntry[] {
  return ['rev_7', 'rev_8'].map((id) => ({...revisionEntry(imageDigest, {memoryBytes: 96 * MIB}), id}))
}
