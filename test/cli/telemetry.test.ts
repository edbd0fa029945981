import {mkdtemp, readFile, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {createLog, logFile} from '../../src/telemetry/log.ts'
import {createMetrics} from '../../src/telemetry/metrics.ts'

test('a log line is JSON with role, time as RFC 3339 and facts, and is on disk at once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'creo-log-'))
  onTestFinished(() => rm(folder, {recursive: true, force: true}))
  const path = join(folder, 'logs', 'gateway.log')
  createLog({role: 'gateway', env: {}, stream: logFile(path)}).info({port: 7801}, 'Listening.')
  const line = JSON.parse(await readFile(path, 'utf8'))
  expect(line).toMatchObject({role: 'gateway', port: 7801, msg: 'Listening.', time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)})
  expect((await stat(path)).mode & 0o777).toBe(0o600)
})

test('CREO_LOG_LEVEL decides how much is logged, and a wrong one is refused', () => {
  const lines: string[] = []
  const stream = {write: (line: string) => void lines.push(line)}
  createLog({role: 'miner', env: {CREO_LOG_LEVEL: 'warn'}, stream}).info('quiet')
  expect(lines).toEqual([])
  expect(() => createLog({role: 'miner', env: {CREO_LOG_LEVEL: 'loud'}})).toThrow(expect.objectContaining({code: 'usage'}))
})

test('metrics are read as Prometheus text', () => {
  const metrics = createMetrics()
  const requests = metrics.counter({name: 'creo_requests_total', help: 'Requests served.', labels: ['status']})
  requests.add(1, {status: '200'})
  requests.add(2, {status: '200'})
  metrics.gauge({name: 'creo_instances', help: 'Instances running.'}).set(3)
  metrics.histogram({name: 'creo_request_seconds', help: 'Time to answer.'}).observe(0.003)
  const text = metrics.text()
  expect(text).toContain('# TYPE creo_requests_total counter\ncreo_requests_total{status="200"} 3\n')
  expect(text).toContain('creo_instances 3\n')
  expect(text).toContain('creo_request_seconds_bucket{le="0.0025"} 0\ncreo_request_seconds_bucket{le="0.005"} 1\n')
  expect(text).toContain('creo_request_seconds_bucket{le="+Inf"} 1\ncreo_request_seconds_sum 0.003\ncreo_request_seconds_count 1\n')
})

test('label values of strangers cannot fill the memory or break the text', () => {
  const metrics = createMetrics()
  const hosts = metrics.counter({name: 'creo_hosts_total', help: 'Hosts.', labels: ['host']})
  for (let index = 0; index < 5000; index += 1) hosts.add(1, {host: `h${index}"\n`})
  const lines = metrics.text().split('\n')
  expect(lines.length).toBeLessThan(1010)
  expect(lines).toContain('creo_hosts_total{host="other"} 4000')
  expect(lines).toContain('creo_hosts_total{host="h0\\"\\n"} 1')
})
