import {expect, it} from 'vitest'
import {TrafficMetrics} from '../../src/gateway/traffic-metrics.ts'

it('the gauges of a revision that is gone are gone too', () => {
  const metrics = new TrafficMetrics()
  const pool = (id: string, size: number) => ({entry: {id}, instances: {size}, waiting: 0, ejected: 0})
  const text = (...pools: ReturnType<typeof pool>[]): string[] =>
    metrics
      .text({pools, resting: {frozen: 0, initialised: 0, created: 0}, miners: 0, unsigned: 0})
      .split('\n')
      .filter((line) => line.startsWith('creo_gateway_instances{'))
  expect(text(pool('rev_1', 3))).toEqual(['creo_gateway_instances{revision="rev_1"} 3'])
  expect(text(pool('rev_2', 1))).toEqual(['creo_gateway_instances{revision="rev_2"} 1'])
})
