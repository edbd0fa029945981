import {expect, it} from 'vitest'
import {checkSpec} from '../../src/runtime/check-spec.ts'

it('refuses a function on the port where it would find what it calls: the init listens there itself', () => {
  const limits = {memoryBytes: 2 ** 24, cpuMillis: 100, pidsMax: 16, scratchBytes: 2 ** 20, logBytes: 2 ** 20}
  const spec = {id: 'caller', imageDigest: `sha256:${'a'.repeat(64)}`, argv: [], env: {}, port: 80, limits, labels: {}}
  const waysOut = {directory: '/run/out', proxy: true, hosts: ['basket.internal']}
  expect(() => checkSpec({...spec, waysOut})).toThrow(expect.objectContaining({code: 'invalid_input'}))
  expect(() => checkSpec({...spec, port: 8080, waysOut})).not.toThrow()
  expect(() => checkSpec({...spec, waysOut: {...waysOut, hosts: []}})).not.toThrow()
  expect(() => checkSpec(spec)).not.toThrow()
})
