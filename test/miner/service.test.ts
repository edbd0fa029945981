import {mkdir, readFile, rm, stat, symlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {expect, test} from 'vitest'
import {serviceCommands} from '../../src/miner/service-files.ts'
import {serviceUnit} from '../../src/miner/service-unit.ts'
import {mergeSettings, saveSettings} from '../../src/miner/settings.ts'
import {creo} from '../support/processes.ts'
import {temporaryDirectory} from './worlds.ts'

const COMMAND = {program: ['/usr/bin/node', '/opt/creo/bin/run.js'], dataDirectory: '/var/lib/creo/miner'}
const lineOf = (unit: string, name: string): string | undefined => unit.split('\n').find((line) => line.startsWith(`${name}=`))

test('the unit starts the node with what it remembers, drains it before it is killed, and holds it down', () => {
  const unit = serviceUnit('system', COMMAND)
  expect(lineOf(unit, 'ExecStart')).toBe('ExecStart=/usr/bin/node /opt/creo/bin/run.js mine start --data /var/lib/creo/miner')
  expect(unit).toMatch(/^KillMode=mixed\nTimeoutStopSec=150$/m)
  for (const line of [
    'ProtectSystem=full',
    'ProtectHome=read-only',
    'ProtectKernelModules=yes',
    'LockPersonality=yes',
    'CacheDirectory=creo-miner',
    'Environment=XDG_CACHE_HOME=%C/creo-miner',
    'Delegate=yes',
    'WantedBy=multi-user.target'
  ]) {
    expect(unit.split('\n')).toContain(line)
  }
})

test('a node that lives where people do may write there', () => {
  expect(serviceUnit('system', {...COMMAND, dataDirectory: '/root/.local/share/creo/miner'})).not.toContain('ProtectHome')
})

test('a node sees temporary files of its own alone, unless it lives among those of all', () => {
  expect(serviceUnit('system', COMMAND)).toContain('PrivateTmp=yes')
  expect(serviceUnit('system', {...COMMAND, dataDirectory: '/var/tmp/miner'})).not.toContain('PrivateTmp')
})

test("a user's unit leaves out what would keep containers from starting there", () => {
  const unit = serviceUnit('user', COMMAND)
  expect(unit).not.toMatch(/Protect|Restrict|LockPersonality|SystemCall/)
  expect(lineOf(unit, 'WantedBy')).toBe('WantedBy=default.target')
})

test('no path can add a word or an expansion to the command', () => {
  const unit = serviceUnit('system', {...COMMAND, dataDirectory: '/srv/a "b" 100%n $HOME \\'})
  expect(lineOf(unit, 'ExecStart')).toContain(String.raw`--data "/srv/a \"b\" 100%%n $$HOME \\"`)
  expect(() => serviceUnit('system', {...COMMAND, dataDirectory: '/srv/a\nExecStartPre=/bin/true'})).toThrow(
    expect.objectContaining({code: 'invalid_input'})
  )
})

test('systemd reads the unit without a complaint, where it is there', async ({skip}) => {
  const directory = await temporaryDirectory()
  const hasSystemd = await execa('systemd-analyze', ['--version'], {reject: false}).then(({exitCode}) => exitCode === 0)
  skip(!hasSystemd, 'systemd-analyze is not on this machine')
  const path = join(directory, 'creo-miner.service')
  await writeFile(path, serviceUnit('system', {...COMMAND, program: [process.execPath, '/opt/creo/bin/run.js'], dataDirectory: directory}))
  const {stderr} = await execa('systemd-analyze', ['verify', path], {reject: false})
  expect(stderr.split('\n').filter((line) => line.includes('creo-miner.service:'))).toEqual([])
})

test('a user is asked to let services outlast a login, unless they do', () => {
  expect(serviceCommands('user', {lingers: false}).enable.at(-1)).toContain('loginctl enable-linger')
  for (const enable of [serviceCommands('user', {lingers: true}).enable, serviceCommands('system', {lingers: false}).enable])
    expect(enable.join()).not.toContain('linger')
})

test('install writes one unit and says how to enable it, says when it is there, and is undone once it is disabled', async () => {
  const home = await temporaryDirectory()
  const data = join(home, 'm')
  await mkdir(data)
  const {XDG_CONFIG_HOME: _, ...own} = process.env
  const env = {...own, HOME: home, CREO_CONFIG_DIR: join(home, 'c')}
  const run = async (...args: readonly string[]): Promise<{code: number | null; json: Record<string, unknown>}> => {
    const {code, stdout} = await creo(['mine', ...args, '--user', '--json'], {env})
    return {code, json: JSON.parse(stdout) as Record<string, unknown>}
  }
  expect(await run('install', '--data', data)).toMatchObject({code: 4, json: {error: {code: 'not_found', hint: 'creo mine start'}}})
  const given = {coordinatorUrl: 'http://127.0.0.1:1', networkId: 'ab'.repeat(32), earn: ['gutta']}
  const settings = mergeSettings(undefined, given, {name: 'a', memoryBytes: 1, cpuMillis: 1, runtime: 'podman'})
  await saveSettings(data, {...settings, enrolled: true})

  const path = join(home, '.config/systemd/user/creo-miner.service')
  expect((await run('install', '--data', data, '--print')).json).toMatchObject({status: 'printed', path})
  await expect(stat(path)).rejects.toThrow()
  const installed = await run('install', '--data', data)
  expect(installed.json).toMatchObject({
    status: 'installed',
    enable: expect.arrayContaining(['systemctl --user enable --now creo-miner.service'])
  })
  expect(await readFile(path, 'utf8')).toBe(installed.json.unit)
  expect((await run('install', '--data', data)).json).toMatchObject({status: 'already_installed'})

  const wants = join(home, '.config/systemd/user/default.target.wants')
  await mkdir(wants)
  await symlink(path, join(wants, 'creo-miner.service'))
  expect(await run('uninstall')).toMatchObject({
    code: 3,
    json: {error: {code: 'conflict', hint: expect.stringContaining('systemctl --user disable')}}
  })
  await rm(wants, {recursive: true})
  expect((await run('uninstall')).json).toEqual({status: 'uninstalled'})
  expect((await run('uninstall')).json).toEqual({status: 'already_uninstalled'})
})
