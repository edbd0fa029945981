import {mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {creo} from '../support/processes.ts'

let folder: string
let env: Record<string, string>

/** One that works, one that throws when it is asked, and one that would be taken for creo's own. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'creo-plugin-runtimes-'))
  env = {
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_DATA_HOME: join(folder, 'data'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    SHELL: '/bin/zsh',
    PATH: process.env.PATH ?? ''
  }
  const probe = "{name: 'mine', version: '9.9', architecture: 'amd64', enforcesLimits: true, problems: [], tiers: []}"
  const provider = `{name: 'mine', create: async () => ({probe: async () => (${probe}), close: async () => {}})}`
  const links = [
    plugin('creo-runtime-mine', `export default async () => [${provider}]`),
    plugin('creo-runtime-broken', "export default async () => { throw new Error('it has a fault') }"),
    plugin('a-rival', "export default async () => [{name: 'podman', create: async () => ({})}]")
  ]
  // What creo plugins link writes.
  const data = join(folder, 'data', 'creo')
  mkdirSync(data, {recursive: true})
  writeFileSync(join(data, 'package.json'), JSON.stringify({private: true, oclif: {schema: 1, plugins: links}}))
})
afterAll(() => rmSync(folder, {recursive: true, force: true}))

test('a runtime of a plugin is named where mine start says what --runtime takes', async () => {
  const {stdout} = await creo(['mine', 'start', '--help'], {env})
  expect(stdout.replace(/\s+/g, ' ')).toContain('Installed: containerd, podman, mine.')
}, 60_000)

test('it is looked at like the others, and the broken plugin is named and skipped', async () => {
  const {stdout} = await creo(['doctor', '--json'], {env})
  const {findings} = JSON.parse(stdout) as {findings: {check: string; message: string}[]}
  expect(findings.find(({check}) => check === 'runtime mine')?.message).toBe('mine 9.9 (amd64); limits are enforced.')
  expect(findings.map(({message}) => message)).toEqual(
    expect.arrayContaining([
      'The plugin creo-runtime-broken was skipped: it has a fault',
      'The plugin a-rival was skipped: @creometry/runtime-podman has a runtime named podman already.'
    ])
  )
}, 60_000)

test('completions of zsh offer it', async () => {
  await creo(['autocomplete', 'zsh', '--refresh-cache'], {env})
  const functions = readdirSync(join(folder, 'cache'), {recursive: true, encoding: 'utf8'}).filter((path) => path.endsWith('_creo'))
  expect(functions).toHaveLength(1)
  expect(readFileSync(join(folder, 'cache', functions[0]!), 'utf8')).toContain('runtime options:(containerd podman mine)')
}, 60_000)

function plugin(name: string, hook: string): {readonly type: 'link'; readonly name: string; readonly root: string} {
  const root = join(folder, name)
  mkdirSync(root)
  const oclif = {hooks: {runtimes: './hook.js'}}
  writeFileSync(join(root, 'package.json'), JSON.stringify({name, version: '1.0.0', type: 'module', oclif}))
  writeFileSync(join(root, 'hook.js'), hook)
  return {type: 'link', name, root}
}
