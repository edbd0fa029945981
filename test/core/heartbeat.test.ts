import {expect, it} from 'vitest'
import {heartbeatSchema} from '../../src/core/protocol/api.ts'

const heartbeat = {
  node: `node_${'a'.repeat(32)}`,
  earn: [],
  architecture: 'amd64',
  runtime: 'podman',
  enforcesLimits: true,
  memoryBytes: 0,
  cpuMillis: 0,
  draining: false,
  instances: 3,
  running: [{revision: 'rev_1', instances: 3}],
  logs: []
}

it('says no more instances than a machine can run, so that the sum of all that nodes say is a number', () => {
  expect(heartbeatSchema.safeParse(heartbeat).success).toBe(true)
  expect(heartbeatSchema.safeParse({...heartbeat, instances: Number.MAX_SAFE_INTEGER}).success).toBe(false)
  const running = [{revision: 'rev_1', instances: Number.MAX_SAFE_INTEGER}]
  expect(heartbeatSchema.safeParse({...heartbeat, running}).success).toBe(false)
})
