import {expect, test} from 'vitest'
import {pickIdRange} from '../../src/runtime/id-range.ts'

const WHOLE = '         0          0 4294967295\n'
const PREFERRED = 0x7000_0000

test.each([
  ['a machine where nobody has ids of their own', WHOLE, '', PREFERRED],
  ['users whose ids are elsewhere', WHOLE, 'ann:100000:65536\nbob:165536:65536\n', PREFERRED],
  ['a user who owns the preferred ids', WHOLE, `ann:${PREFERRED + 5}:65536\n`, PREFERRED + 5 - 65_536],
  ['root of a container with few ids', '0 100000 200000\n', '', 200_000 - 65_536],
  ['root of a container with too few ids', '0 100000 65536\n', '', undefined],
  ['a file that cannot be read', '', '', undefined]
])('picks ids for %s', (_case, uidMap, owned, base) => {
  expect(pickIdRange(uidMap, owned)?.base).toBe(base)
})
