import {describe, expect, it} from 'vitest'
import {standbyProver} from '../../src/gateway/standby-watch.ts'
import {gatewayIdOf, generateKeyPair} from '../../src/identity/keys.ts'

describe('the gateway that proves a revision on a node', () => {
  const ids = Array.from({length: 5}, () => gatewayIdOf(generateKeyPair().publicKey))
  const pairs = Array.from({length: 500}, (_, index) => ({node: `node_${index}`, revision: `rev_${index % 7}`}))

  it('is one alone, the same in whatever order the table names them, and each has its share', () => {
    const share = new Map<string, number>()
    for (const pair of pairs) {
      const prover = standbyProver(ids, pair) ?? ''
      expect(standbyProver([...ids].reverse(), pair)).toBe(prover)
      share.set(prover, (share.get(prover) ?? 0) + 1)
    }
    for (const id of ids) expect(share.get(id)).toBeGreaterThan(50)
    expect(standbyProver([], {node: 'node_1', revision: 'rev_1'})).toBeUndefined()
  })

  it('changes only for what the gateway that left had proven', () => {
    const [left, ...rest] = ids
    for (const pair of pairs) {
      const before = standbyProver(ids, pair)
      if (before !== left) expect(standbyProver(rest, pair)).toBe(before)
    }
  })
})
