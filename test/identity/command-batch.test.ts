import {createHash} from 'node:crypto'
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {
  type BatchPlace,
  COMMAND_BATCH_MAX,
  type CommandBody,
  type SignedCommand,
  signedCommandSchema
} from '../../src/core/protocol/commands.ts'
import {BatchRoots, batchTree} from '../../src/identity/command-batch.ts'
import {commandHash, signCommand, signCommands, verifyCommand} from '../../src/identity/commands.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'

const [key, other] = [generateKeyPair(), generateKeyPair()]
const terms = {network: 'ab'.repeat(32), account: `acc_${'0'.repeat(32)}`, key, notAfterMs: 1000} as const
const texts = fc.array(fc.string(), {minLength: 1, maxLength: 70})

function named(count: number): {idempotencyKey: string; body: CommandBody}[] {
  return Array.from({length: count}, (_none, at) => ({
    idempotencyKey: `k-${at}`,
    body: {type: 'pool.fund', incentive: 'colibris/LEAF', amountMinor: at + 1}
  }))
}

/** Of a text that comes alone. */
function batchRoot(text: string, place: BatchPlace): string | undefined {
  return new BatchRoots().rootOf(text, place)
}

/** MTH as RFC 9162 defines it, section 2.1.1. */
function naiveRoot(leaves: readonly string[]): Buffer {
  const sha256 = (...parts: readonly (Buffer | string)[]): Buffer =>
    parts.reduce((digest, part) => digest.update(part), createHash('sha256')).digest()
  const [only] = leaves
  if (leaves.length === 1 && only !== undefined) return sha256(Buffer.of(0), only)
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(Buffer.of(1), naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)))
}

describe('the tree over a batch', () => {
  it('leads to the same root, or none, for what came with others in a request as for what came alone', () => {
    const anywhere = fc.record({text: fc.constantFrom('a', 'b'), at: fc.nat(70), cut: fc.nat(3), other: fc.boolean()})
    fc.assert(
      fc.property(fc.array(texts, {minLength: 1, maxLength: 3}), fc.array(anywhere, {maxLength: 20}), (batches, strays) => {
        const all = batches.flatMap((leaves) => batchTree(leaves).places.map((place, at) => ({text: leaves[at] ?? '', place})))
        const strayed = strays.map(({text, at, cut, other}) => {
          const {place} = all[at % all.length] as (typeof all)[number]
          const path = place.path.slice(0, place.path.length - cut)
          return {text, place: {...place, path: other ? [...path, 'A'.repeat(43)] : path}}
        })
        const roots = new BatchRoots()
        for (const {text, place} of [...all, ...strayed, ...all]) expect(roots.rootOf(text, place)).toBe(batchRoot(text, place))
      })
    )
  })

  it('has the root of RFC 9162, and every text leads to it from its place', () => {
    fc.assert(
      fc.property(texts, (leaves) => {
        const {root, places} = batchTree(leaves)
        expect(root).toBe(naiveRoot(leaves).toString('hex'))
        for (const [at, place] of places.entries()) expect(batchRoot(leaves[at] ?? '', place)).toBe(root)
      })
    )
  })

  it('leads no other text, place or path to it', () => {
    fc.assert(
      fc.property(texts, fc.nat(), fc.nat(), fc.string(), (leaves, from, to, text) => {
        const {root, places} = batchTree(leaves)
        const at = from % leaves.length
        const place = places[at]
        if (place === undefined) throw new Error('no place')
        if (text !== leaves[at]) expect(batchRoot(text, place)).not.toBe(root)
        const index = to % (leaves.length + 1)
        if (leaves[index] !== leaves[at]) expect(batchRoot(leaves[at] ?? '', {...place, index})).not.toBe(root)
        expect(batchRoot(leaves[at] ?? '', {...place, path: [...place.path, 'A'.repeat(43)]})).toBeUndefined()
        if (place.path.length > 0) expect(batchRoot(leaves[at] ?? '', {...place, path: place.path.slice(1)})).toBeUndefined()
      })
    )
  })
})

describe('commands that are signed as a batch', () => {
  it('each hold by themselves, in the form that travels, up to the largest batch', () => {
    for (const count of [1, 2, 3, 5, COMMAND_BATCH_MAX]) {
      const commands = signCommands(terms, named(count))
      expect(new Set(commands.map(({signature}) => signature)).size).toBe(1)
      for (const command of commands.filter((_command, at) => at < 5 || at > count - 5)) {
        expect(verifyCommand(signedCommandSchema.parse(JSON.parse(JSON.stringify(command))), key.publicKey)).toBe(true)
        expect(verifyCommand(command, other.publicKey)).toBe(false)
      }
    }
  })

  it('are the same commands as those signed one by one: their hash does not know of the batch', () => {
    const [first] = signCommands(terms, named(3))
    expect(commandHash(first as SignedCommand)).toBe(commandHash(signCommand({...terms, ...named(1)[0]!})))
  })

  it('fail with any field changed, also when the batch is known to hold', () => {
    const [first, second] = signCommands(terms, named(4)) as [SignedCommand, SignedCommand]
    expect(verifyCommand(first, key.publicKey)).toBe(true)
    const {batch, ...alone} = first
    const changes: SignedCommand[] = [
      {...first, idempotencyKey: 'k-9'},
      {...first, notAfterMs: 1001},
      {...first, account: 'operator'},
      {...first, network: 'cd'.repeat(32)},
      {...first, body: second.body},
      {...first, batch: {...batch!, index: 1}},
      {...first, batch: {...batch!, size: 3}},
      {...first, batch: second.batch},
      {...first, signature: signCommand({...terms, ...named(1)[0]!}).signature},
      alone
    ]
    for (const change of changes) expect(verifyCommand(change, key.publicKey)).toBe(false)
    expect(verifyCommand({...signCommand({...terms, ...named(1)[0]!}), batch}, key.publicKey)).toBe(false)
  })

  it('have one spelling of their path', () => {
    const [first] = signCommands(terms, named(2)) as [SignedCommand]
    const [beside = ''] = first.batch?.path ?? []
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const next = letters[letters.indexOf(beside.at(-1) ?? '') + 1] ?? ''
    const path = [beside.slice(0, -1) + next]
    expect(verifyCommand({...first, batch: {...first.batch!, path}}, key.publicKey)).toBe(true)
    expect(signedCommandSchema.safeParse({...first, batch: {...first.batch!, path}}).success).toBe(false)
  })
})
