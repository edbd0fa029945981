import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {CliWorld} from '../../commands/cli-world.ts'
import {SLOWNESS} from '../../support/slowness.ts'

const CREO = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))
const START_TIMEOUT_MS = 60_000 * SLOWNESS
const scope = process.getuid?.() === 0 ? 'system' : 'user'
const systemctl = (...args: readonly string[]) => execa('systemctl', [...(scope === 'user' ? ['--user'] : []), ...args], {reject: false})

describe.skipIf(process.env.CREO_SOAK_MACHINE !== '1')(`the service of a node (${scope})`, () => {
  let world: CliWorld
  let data: string
  beforeEach(async () => {
    world = await CliWorld.make()
    data = join(world.folder, 'miner')
    await world.startCoordinator()
  })
  afterEach(async () => {
    await systemctl('disable', '--now', 'creo-miner.service')
    await world.run('mine', 'uninstall')
    await world.close()
  })

  test('is one that systemd verifies and starts, works where limits hold, and is drained when it stops', async () => {
    await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
    await world.must('account', 'create', 'vera')
    const {token} = await world.must('node', 'token', '--as', 'vera')
    await startByHand(String(token))

    const {path, enable} = (await world.must('mine', 'install', '--data', data)) as {path: string; enable: string[]}
    const {stderr, exitCode} = await execa('systemd-analyze', ['verify', `--${scope}`, path], {reject: false})
    expect({exitCode, about: stderr.split('\n').filter((line) => line.includes('creo-miner'))}).toEqual({exitCode: 0, about: []})
    for (const command of enable) await execa('sh', ['-c', command])
    await expect.poll(() => world.must('mine', 'status', '--data', data), {timeout: START_TIMEOUT_MS}).toMatchObject({running: true})
    expect((await systemctl('is-active', 'creo-miner.service')).stdout).toBe('active')
    await expect.poll(saidByTheService, {timeout: START_TIMEOUT_MS}).toContain('Mining as')

    await systemctl('stop', 'creo-miner.service')
    expect(await ending()).toBe('Result=success\nExecMainStatus=0')

    // Before it is ready, too, to be stopped is no failure.
    await systemctl('start', 'creo-miner.service')
    await systemctl('stop', 'creo-miner.service')
    expect(await ending()).toMatch(/^Result=success\n/)
  })

  async function ending(): Promise<string> {
    return (await systemctl('show', '-p', 'Result', '-p', 'ExecMainStatus', 'creo-miner.service')).stdout
  }

  async function saidByTheService(): Promise<string> {
    const unit = scope === 'user' ? ['--user', '--user-unit'] : ['--unit']
    return (await execa('journalctl', ['--output=cat', '--no-pager', ...unit, 'creo-miner.service'], {reject: false})).stdout
  }

  /** The first start enrolls the node and remembers its settings. */
  async function startByHand(token: string): Promise<void> {
    const network = ['--coordinator', world.coordinatorUrl, '--network-id', world.networkId]
    const args = [CREO, 'mine', 'start', '--data', data, ...network, '--token', token, '--earn', 'gutta', '--json']
    const child = spawn(process.execPath, args, {env: world.env, stdio: ['ignore', 'pipe', 'inherit']})
    const [line] = (await once(createInterface({input: child.stdout}), 'line')) as [string]
    expect(JSON.parse(line)).toMatchObject({ready: true})
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
})
