import {expect, it, onTestFinished} from 'vitest'
import {TrafficMetrics} from '../../src/gateway/traffic-metrics.ts'
import {openGatewayWorld} from '../support/gateway-world.ts'

it('the gauges of a revision that is gone are gone too', () => {
  const metrics = new TrafficMetrics()
  const pool = (id: string, size: number) => ({entry: {id}, instances: {size}, waiting: 0, ejected: 0})
  const text = (...pools: ReturnType<typeof pool>[]): string[] =>
    metrics
      .text({pools, resting: {frozen: 0, initialised: 0, created: 0}, miners: 0, unsigned: 0, calls: {waiting: 0, running: 0}})
      .split('\n')
      .filter((line) => line.startsWith('creo_gateway_instances{'))
  expect(text(pool('rev_1', 3))).toEqual(['creo_gateway_instances{revision="rev_1"} 3'])
  expect(text(pool('rev_2', 1))).toEqual(['creo_gateway_instances{revision="rev_2"} 1'])
})

it('an operator reads how long requests took, what moved, and how many wait for how many instances', async () => {
  const world = await openGatewayWorld({spec: {concurrency: 1, scaleMax: 1}})
  onTestFinished(() => world.close())
  const busy = Promise.withResolvers<void>()
  await world.addMiner({
    serve: (request, response) => void busy.promise.then(() => request.resume().on('end', () => response.end('hello')))
  })
  const asked = [world.ask('/', {method: 'POST', body: 'twelve bytes'}), world.ask('/')]
  const metrics = async () => (await (await fetch(`${world.gateway.tunnelUrl}/.creo/metrics`)).text()).split('\n')
  const both = ['creo_gateway_queue{revision="rev_1"} 1', 'creo_gateway_instances{revision="rev_1"} 1']
  await expect.poll(metrics).toEqual(expect.arrayContaining(both))
  busy.resolve()
  expect((await Promise.all(asked)).map(({body}) => body)).toEqual(['hello', 'hello'])
  await expect
    .poll(metrics)
    .toEqual(
      expect.arrayContaining([
        'creo_gateway_queue{revision="rev_1"} 0',
        'creo_gateway_request_seconds_count{function="acme/shop/site"} 2',
        'creo_gateway_bytes_total{direction="in"} 12',
        'creo_gateway_bytes_total{direction="out"} 10'
      ])
    )
})
