import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {Outcome} from '../../src/core/exchange/outcome.ts'
import type {SignedCommand} from '../../src/core/protocol/commands.ts'
import {type BodyReader, bodyReader} from '../../src/ledger/body-reader.ts'

interface TextCommand {
  readonly atMs: number
  readonly command: SignedCommand
  readonly outcome: Outcome
}

/** Texts that look like what stands between two commands, and between a command and its outcome. */
const words = fc
  .array(fc.constantFrom('a', '"', '\\', 'é', '},"outcome":{', '},{"atMs":1', ']}', '[', ','), {maxLength: 4})
  .map((all) => all.join(''))
const outcomes: fc.Arbitrary<Outcome> = fc.oneof(
  fc.record({
    answer: fc.record({status: fc.constant('applied' as const), result: fc.record({words})}),
    effects: fc.array(fc.record({type: fc.constant('offer.stock' as const), id: words, stock: fc.nat()}), {maxLength: 2})
  }),
  fc.record({
    answer: fc.record({
      status: fc.constant('rejected' as const),
      code: fc.constantFrom('not_found' as const, 'rejected' as const),
      message: words
    }),
    effects: fc.constant([])
  })
)
const commands: fc.Arbitrary<TextCommand[]> = fc.array(
  fc.record({atMs: fc.nat(), command: fc.record({account: words, body: words}).map((some) => some as SignedCommand), outcome: outcomes}),
  {minLength: 1, maxLength: 4}
)
const states = fc.option(fc.record({form: fc.nat(), sha256: words}), {nil: undefined})

/** As versions before the packed form wrote it. */
function bodyOf(commands: readonly TextCommand[], state?: {form: number; sha256: string}): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({commands, state}))
}

/** What was read, and whether each did what `now` says. */
function read(body: Uint8Array, now: readonly TextCommand[]): {said: unknown[]; did: boolean[]; reader: BodyReader} {
  const reader = bodyReader({body, firstSeq: 1})
  const [said, did] = [[] as unknown[], [] as boolean[]]
  for (let next = reader.next(); next !== undefined; next = reader.next()) {
    said.push({atMs: next.atMs, command: next.command})
    did.push(reader.didSo(now[said.length - 1]?.outcome ?? {answer: {status: 'applied', result: {}}, effects: []}))
  }
  return {said, did, reader}
}

describe('reading a group of an earlier version, command by command', () => {
  it('finds every command, its outcome and the state, whatever their texts look like', () => {
    fc.assert(
      fc.property(commands, states, (all, state) => {
        const {said, did, reader} = read(bodyOf(all, state), all)
        expect(said).toEqual(all.map(({atMs, command}) => ({atMs, command})))
        expect(did).toEqual(all.map(() => true))
        expect([reader.count, reader.state]).toEqual([all.length, state])
      })
    )
  })

  it('tells which command did something else, and reads those after it as well', () => {
    fc.assert(
      fc.property(commands, commands, states, (all, others, state) => {
        const now = all.map((one, index) => others[index] ?? one)
        const {said, did, reader} = read(bodyOf(all, state), now)
        expect(said).toEqual(all.map(({atMs, command}) => ({atMs, command})))
        expect(did).toEqual(all.map(({outcome}, index) => meaning(outcome) === meaning(now[index]?.outcome)))
        expect([reader.count, reader.state]).toEqual([all.length, state])
      })
    )
  })

  it('takes a body that was spaced otherwise for what it means', () => {
    fc.assert(
      fc.property(commands, states, (all, state) => {
        const body = new TextEncoder().encode(JSON.stringify({commands: all, state}, null, 1))
        const {did, reader} = read(body, all)
        expect(did).toEqual(all.map(() => true))
        expect(reader.state).toEqual(state)
      })
    )
  })

  it.each(['', '{', '{"commands":[', '{"commands":[{"atMs":1,"command":{}', '{"commands":[{"atMs":1,"command":{},"outcome":{}},]}'])(
    'throws at a body that is none: %s',
    (text) => {
      expect(() => read(new TextEncoder().encode(text), [])).toThrow()
    }
  )
})

/** All but the words of a rejection. */
function meaning(outcome?: Outcome): string {
  return JSON.stringify(outcome, (key, value) => (key === 'message' ? undefined : value))
}
