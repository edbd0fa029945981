import {once} from 'node:events'
import {copyFile, mkdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {execa} from 'execa'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {CliWorld} from '../../commands/cli-world.ts'
import {SLOWNESS} from '../../support/slowness.ts'

/** Two programs of other bytes; the second is a release, signed. */
const RELEASES = '/creo/releases'
const START_TIMEOUT_MS = 60_000 * SLOWNESS
const UNIT = 'creo-miner.service'

describe.skipIf(process.env.CREO_SOAK_MACHINE !== '1')('the packaged program', () => {
  let world: CliWorld
  let creo: string
  let data: string
  beforeEach(async () => {
    world = await CliWorld.make()
    data = join(world.folder, 'miner')
    creo = join(world.folder, 'bin', 'creo')
    await mkdir(join(world.folder, 'bin'))
    await copyFile(join(RELEASES, 'one/creo-linux-x64'), creo)
    await world.startCoordinator()
  })
  afterEach(async () => {
    await execa('systemctl', ['disable', '--now', UNIT], {reject: false})
    await world.run('mine', 'uninstall')
    await world.close()
  })

  test('is updated while a service of systemd mines with it: the miner is drained and goes on with the new one, and so back', async () => {
    await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
    await world.must('account', 'create', 'vera')
    const {token} = await world.must('node', 'token', '--as', 'vera')
    await startByHand(String(token))
    const {enable} = await packaged<{enable: string[]}>('mine', 'install', '--data', data)
    for (const command of enable) await execa('sh', ['-c', command])
    await expect.poll(said, {timeout: START_TIMEOUT_MS}).toContain('Mining as')
    const [first] = await runs()

    const place = [join(RELEASES, 'two'), '--public-key', join(RELEASES, 'two/creo.pub'), '--data', data]
    expect(await packaged('update', ...place)).toMatchObject({status: 'updated', restarted: ['system'], drained: false})
    await expect.poll(said, {timeout: START_TIMEOUT_MS}).toMatch(/Mining as[\s\S]*Stopped[\s\S]*Mining as/)
    const [second, program] = await runs()
    expect(second).not.toBe(first)
    // To be shown how they differ takes more memory than there is.
    expect((await readFile(creo)).equals(await readFile(join(RELEASES, 'two/creo-linux-x64')))).toBe(true)

    expect(await packaged('update', '--rollback', '--data', data)).toMatchObject({status: 'rolled_back', restarted: ['system']})
    const [third, before] = await runs()
    expect(third).not.toBe(second)
    expect(before).not.toBe(program)
  })

  async function startByHand(token: string): Promise<void> {
    const network = ['--coordinator', world.coordinatorUrl, '--network-id', world.networkId]
    const mining = execa(creo, ['mine', 'start', '--data', data, ...network, '--token', token, '--earn', 'gutta', '--json'], {
      env: world.env
    })
    const [line] = (await once(createInterface({input: mining.stdout}), 'line')) as [string]
    expect(JSON.parse(line)).toMatchObject({ready: true})
    mining.kill('SIGTERM')
    await mining
  }

  async function packaged<T = unknown>(...args: readonly string[]): Promise<T> {
    const {stdout, stderr, exitCode} = await execa(creo, [...args, '--json'], {env: world.env, reject: false})
    if (exitCode !== 0) throw new Error(`creo ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}\n${await said()}`)
    return JSON.parse(stdout) as T
  }

  /** The process that mines, and the files that its program was unpacked to. */
  async function runs(): Promise<readonly [string, string]> {
    const {stdout: pid} = await execa('systemctl', ['show', '--property=MainPID', '--value', UNIT])
    const {stdout: program} = await execa('readlink', [`/proc/${pid}/exe`])
    return [pid, program]
  }

  async function said(): Promise<string> {
    return (await execa('journalctl', ['--output=cat', '--no-pager', '--unit', UNIT], {reject: false})).stdout
  }
})
