import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {diagnose} from '../../src/compose/doctor.ts'
import {createRuntime, runtimeTools} from '../../src/compose/runtimes.ts'
import {openUserConfig} from '../../src/config/user-config.ts'
import {CreoError} from '../../src/core/errors.ts'
import {findRuntimes} from '../../src/runtime/find-runtimes.ts'
import type {RuntimeProbe} from '../../src/runtime/port.ts'
import {creo} from '../support/processes.ts'

const PROBE: RuntimeProbe = {name: 'good', version: '4.3.1', architecture: 'amd64', enforcesLimits: true, problems: [], tiers: []}
const NETWORK = {
  id: 'a'.repeat(64),
  name: 'testnet',
  network: 'development',
  coordinatorKey: 'k'.repeat(43),
  genesis: '{}',
  version: '0.1.0',
  sequence: 7,
  registryPath: '/v2/'
}

const servers: Server[] = []
let folder: string
let env: {readonly CREO_CONFIG_DIR: string; readonly CREO_DATA_DIR: string}
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-doctor-'))
  env = {CREO_CONFIG_DIR: join(folder, 'config'), CREO_DATA_DIR: join(folder, 'data')}
})
afterEach(async () => {
  await closeServers()
  await rm(folder, {recursive: true, force: true})
})

/** Plugins as the `runtimes` hook sees them: each answers a value or throws. */
const plugins = (answers: Readonly<Record<string, unknown>>) => ({
  runHook: async () => ({
    successes: Object.entries(answers).flatMap(([name, result]) => (result instanceof Error ? [] : [{plugin: {name}, result}])),
    failures: Object.entries(answers).flatMap(([name, error]) => (error instanceof Error ? [{plugin: {name}, error}] : []))
  })
})
const provider = (name: string, probe: Partial<RuntimeProbe> = {}) => ({
  name,
  create: async () => ({name, probe: async () => ({...PROBE, name, ...probe}), close: async () => undefined})
})
const config = (answers: Readonly<Record<string, unknown>>) => plugins(answers) as unknown as Parameters<typeof findRuntimes>[0]

async function serve(view: object, date?: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const server = createServer((_request, response) => {
    if (date !== undefined) response.setHeader('date', date)
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    response.end(JSON.stringify(view))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  servers.push(server)
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function closeServers(): Promise<void> {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

async function findingsFor(answers: Readonly<Record<string, unknown>>) {
  const findings = await diagnose({config: config(answers), env, nowMs: Date.now()}, AbortSignal.timeout(10_000))
  return Object.fromEntries(findings.map((finding) => [finding.check, finding]))
}

test('a plugin that throws or answers nonsense is named and skipped, the others are used', async () => {
  const found = await findRuntimes(
    config({broken: new Error('no such file'), odd: [{name: 5}], fine: [provider('podman')], rival: [provider('podman')]})
  )
  expect(found.providers.map(({name, plugin}) => ({name, plugin}))).toEqual([{name: 'podman', plugin: 'fine'}])
  expect(found.broken.map(({plugin}) => plugin)).toEqual(['broken', 'odd', 'rival'])
})

test('a runtime that no plugin offers is missing, and those that are offered are named', async () => {
  const tools = await runtimeTools({stateDirectory: folder, env: {}, log: () => undefined})
  const found = await findRuntimes(config({fine: [provider('podman')]}))
  await expect(createRuntime({found, name: 'containerd', tools})).rejects.toMatchObject({
    code: 'runtime_missing',
    hint: 'Give --runtime podman'
  })
  expect((await createRuntime({found, tools})).name).toBe('podman')
})

test('a machine with everything is found well', async () => {
  const coordinatorUrl = await serve(NETWORK)
  openUserConfig(env).saveContext('dev', {coordinatorUrl, networkId: NETWORK.id, coordinatorKey: NETWORK.coordinatorKey})
  const findings = await findingsFor({fine: [provider('podman')]})
  expect(Object.values(findings).map(({check, verdict}) => `${check} ${verdict}`)).toEqual([
    'node ok',
    'settings folder ok',
    'data folder ok',
    'disk ok',
    'runtime podman ok',
    'coordinator ok',
    'clock ok'
  ])
})

test('a host that cannot enforce limits is told what is missing', async () => {
  const findings = await findingsFor({fine: [provider('podman', {enforcesLimits: false, problems: ['The memory cgroup is off.']})]})
  expect(findings['runtime podman']).toMatchObject({verdict: 'warn', hint: 'The memory cgroup is off.'})
})

test('a runtime that is not installed is nothing to mend where another works, and fails where none does', async () => {
  const absent = {
    name: 'containerd',
    create: async () => {
      throw new CreoError('runtime_missing', 'containerd is not installed.', {hint: 'apt-get install containerd'})
    }
  }
  const beside = await findingsFor({fine: [provider('podman')], other: [absent]})
  expect(beside['runtime containerd']).toMatchObject({verdict: 'ok', message: expect.stringContaining('containerd is not installed.')})
  const alone = await findingsFor({other: [absent]})
  expect(alone['runtime containerd']).toMatchObject({verdict: 'fail', hint: 'apt-get install containerd'})
})

test('another network at the pinned address fails', async () => {
  const coordinatorUrl = await serve(NETWORK)
  openUserConfig(env).saveContext('dev', {coordinatorUrl, networkId: 'b'.repeat(64), coordinatorKey: NETWORK.coordinatorKey})
  expect((await findingsFor({})).coordinator).toMatchObject({verdict: 'fail', message: expect.stringContaining('another network')})
})

test('a clock that is an hour off is a warning', async () => {
  const coordinatorUrl = await serve(NETWORK, new Date(Date.now() - 3_600_000).toUTCString())
  openUserConfig(env).saveContext('dev', {coordinatorUrl, networkId: NETWORK.id, coordinatorKey: NETWORK.coordinatorKey})
  expect((await findingsFor({})).clock).toMatchObject({verdict: 'warn'})
})

test.each([
  ['none', 'ok', /as 203\.0\.113\.5, without a proxy/],
  ['trusted', 'ok', /as 203\.0\.113\.5, through a proxy that it trusts/],
  ['untrusted', 'warn', /does not trust: all who come by it count as one client, 203\.0\.113\.5/]
])('says how the coordinator sees this machine where the proxy is %s', async (proxy, verdict, message) => {
  const coordinatorUrl = await serve(NETWORK, undefined, {'creo-seen': `203.0.113.5; proxy=${proxy}`})
  openUserConfig(env).saveContext('dev', {coordinatorUrl, networkId: NETWORK.id, coordinatorKey: NETWORK.coordinatorKey})
  expect((await findingsFor({})).address).toMatchObject({verdict, message: expect.stringMatching(message)})
})

test('a coordinator that is down fails with how to start it', async () => {
  openUserConfig(env).saveContext('dev', {
    coordinatorUrl: 'http://127.0.0.1:9',
    networkId: NETWORK.id,
    coordinatorKey: NETWORK.coordinatorKey
  })
  expect((await findingsFor({})).coordinator).toMatchObject({verdict: 'fail', hint: 'creo coordinator serve'})
})

test('creo doctor --json prints one object and exits 1 when something fails', async () => {
  await writeFile(join(folder, 'config'), 'a file where the folder should be')
  const {code, stdout, stderr} = await creo(['doctor', '--json'], {env: {...process.env, ...env}})
  expect({code, stderr}).toEqual({code: 1, stderr: ''})
  expect(JSON.parse(stdout)).toMatchObject({
    healthy: false,
    findings: expect.arrayContaining([expect.objectContaining({check: 'settings folder', verdict: 'fail'})])
  })
})
