import assert from 'node:assert'
import type {BookLevel} from '../core/exchange/outcome.ts'
import type {CommandType} from '../core/protocol/commands.ts'
import {GROUP_BYTES_MAX, GROUP_COMMANDS_MAX, type StateDigest} from './group.ts'
import {leaseEvents} from './lease-events.ts'
import {type AppliedCommand, BodyWriter} from './packed-body.ts'
import type {CommittedCommand, LeaseEvent} from './port.ts'

/** A group of applied commands that wait for the journal. */
export class GatheredGroup {
  readonly firstSeq: number
  readonly types = new Set<CommandType>()
  readonly leases: LeaseEvent[] = []
  readonly commands: CommittedCommand[] = []
  /** Until its bytes are handed over: what it knows of its strings is not kept for the projections. */
  #body: BodyWriter | undefined
  #bytes = 0
  #isClosed = false

  /** `capacity`: of bytes that it will probably have. */
  constructor({seq, atMs}: {readonly seq: number; readonly atMs: number}, network: string, capacity: number) {
    this.firstSeq = seq
    this.#body = new BodyWriter(atMs, network, capacity)
    this.#bytes = this.#body.length
  }

  get lastSeq(): number {
    return this.firstSeq + this.commands.length - 1
  }

  get bytes(): number {
    return this.#bytes
  }

  get hasRoom(): boolean {
    return !this.#isClosed && this.commands.length < GROUP_COMMANDS_MAX && this.bytes < GROUP_BYTES_MAX
  }

  add(applied: AppliedCommand, levels: readonly BookLevel[]): void {
    const {seq, atMs, type, outcome} = applied
    assert(this.#body !== undefined && !this.#isClosed, 'a command for a group that is closed')
    this.#body.write(applied)
    this.#bytes = this.#body.length
    this.types.add(type)
    this.leases.push(...leaseEvents(outcome.effects, atMs))
    this.commands.push({seq, atMs, effects: outcome.effects, levels})
  }

  /** Nothing more joins it. */
  close(): void {
    this.#isClosed = true
  }

  /** Its bytes, once. */
  body(state: StateDigest | undefined): Uint8Array<ArrayBuffer> {
    assert(this.#body !== undefined, 'a group is handed over once')
    this.close()
    const bytes = this.#body.end(state)
    this.#body = undefined
    return bytes
  }
}
