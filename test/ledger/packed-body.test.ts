import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import type {Effect} from '../../src/core/exchange/outcome.ts'
import type {SignedCommand} from '../../src/core/protocol/commands.ts'
import {bodyReader} from '../../src/ledger/body-reader.ts'
import {decodeBody, deedsOf, GROUP_START_BYTES, type JournalBody, type JournaledCommand, timeOfStart} from '../../src/ledger/group.ts'
import type {JournaledOutcome} from '../../src/ledger/packed-outcome.ts'
import {packedBody} from './packed-bodies.ts'

const FIRST_SEQ = 1000
const FIRST_MS = 1_790_000_000_000

/** Also halves of letters, which UTF-8 has no bytes for. */
const words = fc.oneof(fc.string(), fc.string({unit: 'binary', maxLength: 40}), fc.constantFrom('', 'ann', '\ud800', 'é'.repeat(30)))
const amount = fc.maxSafeInteger()
const orderId = fc.nat(2 * FIRST_SEQ).map((seq) => `ord_${seq + 1}`)
const side = fc.constantFrom('buy' as const, 'sell' as const)
const effect: fc.Arbitrary<Effect> = fc.oneof(
  fc.record({
    type: fc.constant('entry' as const),
    account: words,
    asset: words,
    kind: fc.constantFrom('available' as const, 'held' as const),
    deltaMinor: amount,
    balanceMinor: amount
  }),
  fc.record({
    type: fc.constant('order' as const),
    id: fc.oneof(orderId, words),
    account: words,
    incentive: words,
    side,
    priceMicroGutta: amount,
    lots: amount
  }),
  fc.record({
    type: fc.constant('order.changed' as const),
    id: fc.oneof(orderId, words),
    remainingLots: amount,
    status: fc.constantFrom('open' as const, 'filled' as const),
    reason: fc.oneof(fc.constant(null), words)
  }),
  fc.record({
    type: fc.constant('trade' as const),
    index: fc.nat(),
    incentive: words,
    priceMicroGutta: amount,
    lots: amount,
    takerSide: side,
    maker: orderId,
    taker: fc.oneof(orderId, words),
    makerFeeMicroGutta: amount,
    takerFeeMicroGutta: amount
  }),
  fc.record({type: fc.constant('offer.stock' as const), id: words, stock: fc.nat()})
)
const outcome: fc.Arbitrary<JournaledOutcome> = fc
  .record(
    {
      answer: fc.oneof(
        fc.constant({status: 'applied' as const}),
        fc.record({status: fc.constant('rejected' as const), code: fc.constantFrom('not_found' as const, 'rejected' as const)})
      ),
      effects: fc.array(effect, {maxLength: 4}),
      repeats: fc.nat()
    },
    {requiredKeys: ['answer', 'effects']}
  )
  .map((made) => made as JournaledOutcome)
const signed = fc
  .record(
    {
      account: words,
      keyId: words,
      idempotencyKey: words,
      notAfterMs: fc.maxSafeNat(),
      body: words.map((memo) => JSON.stringify({type: 'account.transfer', memo})),
      signature: words,
      batch: fc.record({index: fc.nat(999), size: fc.nat(1000), path: fc.array(words, {maxLength: 3})})
    },
    {requiredKeys: ['account', 'keyId', 'idempotencyKey', 'notAfterMs', 'body', 'signature']}
  )
  .map((some) => ({v: 'creo-command-v1', network: 'n'.repeat(64), ...some}) as SignedCommand)
const bodies: fc.Arbitrary<JournalBody> = fc
  .record(
    {
      commands: fc.array(fc.tuple(fc.nat(10 ** 6), signed, outcome), {minLength: 1, maxLength: 5}),
      state: fc.record({form: fc.nat(), sha256: fc.constant('0f'.repeat(32))})
    },
    {requiredKeys: ['commands']}
  )
  .map(({commands, ...rest}) => {
    let atMs = FIRST_MS
    return {
      commands: commands.map(([step, command, came]): JournaledCommand => {
        atMs += step
        return {atMs, command, outcome: came}
      }),
      ...rest
    }
  })

const groupOf = (body: JournalBody): {body: Buffer; firstSeq: number} => ({body: packedBody(body, FIRST_SEQ), firstSeq: FIRST_SEQ})
/** An answer with the words or the result that a body leaves out. */
const answered = ({answer, ...rest}: JournaledOutcome): never =>
  ({answer: answer.status === 'applied' ? {...answer, result: {a: 1}} : {...answer, message: 'No.'}, ...rest}) as never

describe('a packed group', () => {
  it('is read as it was written, whatever is in it', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        const group = groupOf(body)
        expect(decodeBody(group)).toEqual(body)
        expect([...deedsOf(group)]).toEqual(
          body.commands.map(({atMs, command, outcome: {effects}}, index) => {
            return {seq: FIRST_SEQ + index, atMs, type: 'account.transfer', keyId: command.keyId, effects}
          })
        )
        expect(timeOfStart(group.body.subarray(0, GROUP_START_BYTES))).toBe(body.commands[0]?.atMs)
      })
    )
  })

  it('tells which command did something else, and reads those after it as well', () => {
    fc.assert(
      fc.property(bodies, fc.array(outcome, {maxLength: 5}), (body, others) => {
        const reader = bodyReader(groupOf(body))
        const read = body.commands.map((_command, index) => {
          const next = reader.next()
          const now = others[index] ?? body.commands[index]?.outcome
          return [next?.atMs, next?.command, next?.type, now !== undefined && reader.didSo(answered(now))]
        })
        expect(read).toEqual(
          body.commands.map(({atMs, command, outcome: journaled}, index) => {
            const isSame = JSON.stringify(meant(others[index] ?? journaled)) === JSON.stringify(meant(journaled))
            return [atMs, command, 'account.transfer', isSame]
          })
        )
        expect(reader.next()).toBeUndefined()
        expect([reader.count, reader.state]).toEqual([body.commands.length, body.state])
      })
    )
  })

  it('ends with an error where its bytes were cut or changed so that they are none', () => {
    fc.assert(
      fc.property(bodies, fc.nat(), fc.nat(255), (body, place, byte) => {
        const {body: bytes} = groupOf({commands: body.commands})
        const cut = bytes.subarray(0, 1 + (place % (bytes.length - 1)))
        expect(() => decodeBody({body: cut, firstSeq: FIRST_SEQ})).toThrow()
        const changed = Buffer.from(bytes)
        changed[1 + (place % (bytes.length - 1))] = byte
        // What it says then may be another body: it ends, and takes no more room than it has bytes.
        expect(() => read(changed)).not.toThrow()
      })
    )
  })
})

function read(body: Buffer): void {
  try {
    decodeBody({body, firstSeq: FIRST_SEQ})
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error
  }
}

const meant = ({answer, effects, repeats}: JournaledOutcome): unknown => [answer, effects, repeats]
