import {mkdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {expect, onTestFinished, test} from 'vitest'
import {joinToken} from '../../src/core/join-token.ts'
import {loadKeyFile, nodeIdOf} from '../../src/identity/keys.ts'
import {startFakeCoordinator} from '../support/fake-coordinator.ts'
import {creo} from '../support/processes.ts'
import {startFakeGateway} from './fake-gateway.ts'
import {CREO, mine, pushEcho} from './mining.ts'
import {servesByShownRuntime} from './shown-runtime-serves.ts'
import {MIB, revisionEntry, temporaryDirectory} from './worlds.ts'

/** Manifests, layouts and the runtime's own books come on top of images; the cap keeps this much for them. */
const IMAGE_DOCUMENTS_BYTES = 2 ** 20

/** Where something is mounted below a directory. */
async function mountsBelow(directory: string): Promise<readonly string[]> {
  const lines = (await readFile('/proc/self/mounts', 'utf8')).split('\n')
  return lines.map((line) => line.split(' ')[1] ?? '').filter((path) => path.startsWith(directory))
}

/** podman keeps its storage folder mounted on itself. */
async function unmountBelow(directory: string): Promise<void> {
  for (const path of await mountsBelow(directory)) await execa('umount', ['--lazy', path])
}

test('creo mine start enrolls once, runs real containers, survives a kill without leaving one behind, and drains at SIGTERM', async () => {
  const directory = await temporaryDirectory()
  onTestFinished(() => unmountBelow(directory))
  const coordinator = await startFakeCoordinator(join(directory, 'c'))
  onTestFinished(() => coordinator.stop())
  const imageDigest = await pushEcho(directory, coordinator)
  const data = join(directory, 'm')
  await mkdir(join(directory, 'config'))
  const env = {...process.env, CREO_CONFIG_DIR: join(directory, 'config'), CREO_LOG_LEVEL: 'warn'}
  const nodes = new Map<string, string>()
  const gateway = await startFakeGateway({network: coordinator.network, nodes})
  const token = joinToken(`acc_${'a'.repeat(32)}`, 't0ken')
  coordinator.allowToken(token)
  const where = ['--data', data, '--coordinator', coordinator.url, '--network-id', coordinator.network]

  const first = await mine([...where, '--token', token, '--name', 'a', '--earn', 'colibris/LEAF', '--cpu', '2', '--memory', '1GiB'], env)
  const {publicKey} = await loadKeyFile(join(data, 'node.key'))
  const node = nodeIdOf(publicKey)
  expect(first.ready).toMatchObject({pid: first.child.pid, node})
  expect(coordinator.enrolled.has(node)).toBe(true)
  expect(coordinator.heartbeats.at(-1)).toMatchObject({
    node,
    runtime: 'podman',
    memoryBytes: 1024 * MIB,
    cpuMillis: 2000,
    enforcesLimits: true
  })

  nodes.set(node, publicKey)
  const nowMs = Date.now()
  const lease = {id: 'lea_9', node, revision: 'rev_7', startsAtMs: nowMs, endsAtMs: nowMs + 3_600_000, budgets: []}
  coordinator.setTable({kind: 'node', node, leases: [lease], revisions: [revisionEntry(imageDigest)], gateways: [gateway.entry]})
  ;(await gateway.link(node)).send({type: 'start', instance: 'one', revision: 'rev_7', lease: 'lea_9'})
  expect(await gateway.next('started', 'start_failed')).toMatchObject({type: 'started', instance: 'one'})
  expect(await gateway.ask(node, 'one')).toBeDefined()

  first.child.kill('SIGKILL')
  await first.exited
  const second = await mine(['--data', data], env)
  expect(second.ready.node).toBe(node)
  await expect
    .poll(() => gateway.messages.filter(({type}) => type === 'ready').at(-1))
    .toMatchObject({
      instances: [{instance: 'one', revision: 'rev_7', lease: 'lea_9'}]
    })
  expect(await gateway.ask(node, 'one')).toBeDefined()

  const status = await creo(['mine', 'status', '--data', data, '--json'], {env})
  expect(JSON.parse(status.stdout)).toMatchObject({node, running: true, noWork: null, instances: [{instance: 'one'}]})

  const {diskUsedBytes} = JSON.parse(status.stdout) as {diskUsedBytes: number}
  const {stdout: taken} = await execa('du', ['-sxb', '--total', join(data, 'images'), join(data, 'runtime')])
  expect(Number(taken.split('\n').at(-1)?.split('\t')[0])).toBeLessThan(diskUsedBytes + IMAGE_DOCUMENTS_BYTES)

  const set = await creo(['mine', 'set', '--data', data, '--cpu', '1', '--data', '20GB/month', '--json'], {env})
  expect(JSON.parse(set.stdout)).toMatchObject({cpu: '1', dataBytesPerMonth: 20_000_000_000, earn: ['colibris/LEAF'], running: true})
  await expect.poll(() => coordinator.heartbeats.at(-1)).toMatchObject({cpuMillis: 1000, memoryBytes: 1024 * MIB})

  const drained = await creo(['mine', 'drain', '--data', data, '--json'], {env})
  expect(JSON.parse(drained.stdout)).toEqual({status: 'stopped'})
  expect(await second.exited).toBe(0)
  expect(JSON.parse(second.rest())).toEqual({stopped: true, role: 'miner', containersStopped: 1, inTime: true, receiptsWaiting: 0})
  expect((await mountsBelow(data)).filter((path) => path.endsWith('/merged'))).toEqual([])
  const after = await creo(['mine', 'status', '--data', data], {env})
  expect(after.stdout).toContain(`Not running as ${node}.`)
  const again = await creo(['mine', 'drain', '--data', data, '--json'], {env})
  expect(JSON.parse(again.stdout)).toEqual({status: 'already_stopped'})
  const logs = JSON.parse((await creo(['mine', 'logs', '--data', data, '--json'], {env: {...env, CREO_LOG_LEVEL: 'info'}})).stdout)
  expect(logs).toMatchObject({lines: expect.any(Array)})
}, 120_000)

test('creo mine start runs functions by the runtime of a plugin that was installed, written as docs/PLUGINS.md says', async () => {
  const directory = await temporaryDirectory()
  const env = {
    ...process.env,
    CREO_CONFIG_DIR: join(directory, 'config'),
    CREO_DATA_DIR: join(directory, 'lib'),
    CREO_LOG_LEVEL: 'warn',
    npm_config_cache: join(directory, 'npm')
  }
  await mkdir(env.CREO_CONFIG_DIR)
  await servesByShownRuntime(CREO, {directory, env})
}, 60_000)

test('creo mine start says what is missing, and status says when nothing was ever started', async () => {
  const directory = await temporaryDirectory()
  const env = {...process.env, CREO_CONFIG_DIR: directory}
  const start = await creo(['mine', 'start', '--data', join(directory, 'm'), '--json'], {env})
  expect([start.code, JSON.parse(start.stdout)]).toMatchObject([2, {error: {code: 'usage', message: '--coordinator is missing.'}}])
  const flags = ['--coordinator', 'http://127.0.0.1:1', '--network-id', 'ab'.repeat(32), '--earn', 'gutta']
  const alone = await creo(['mine', 'start', '--data', join(directory, 'm'), ...flags, '--json'], {env})
  expect([alone.code, JSON.parse(alone.stdout)]).toMatchObject([5, {error: {code: 'unavailable'}}])
  for (const command of ['status', 'drain', 'logs']) {
    const said = await creo(['mine', command, '--data', join(directory, 'never'), '--json'], {env})
    expect([said.code, JSON.parse(said.stdout)]).toMatchObject([4, {error: {code: 'not_found'}}])
    expect(said.stderr).toBe('')
  }
})

test('a first start takes the network that was joined, and one that failed is not remembered', async () => {
  const directory = await temporaryDirectory()
  const coordinator = await startFakeCoordinator(join(directory, 'c'))
  onTestFinished(() => coordinator.stop())
  const data = join(directory, 'm')
  const env = {...process.env, CREO_CONFIG_DIR: join(directory, 'config')}
  const error = async (...args: readonly string[]): Promise<unknown> => {
    const {code, stdout} = await creo([...args, '--json'], {env})
    return {code, ...(JSON.parse(stdout) as {error?: object}).error}
  }
  expect(await error('network', 'join', coordinator.url, '--id', coordinator.network)).toMatchObject({code: 0})
  const start = (...flags: readonly string[]) => error('mine', 'start', '--data', data, '--earn', 'gutta', ...flags)
  expect(await start('--runtime', 'wat')).toMatchObject({code: 'runtime_missing', hint: expect.stringContaining('--runtime podman')})
  const refused = await start()
  expect(refused).toMatchObject({code: 'usage', message: expect.stringContaining('token')})
  expect(await start('--network-id', 'ab'.repeat(32))).not.toMatchObject({code: 'conflict'})
})
