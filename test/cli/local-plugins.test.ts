import {expect, test} from 'vitest'
import {localPluginSettings, withLocalPlugins} from '../../src/cli/local-plugins.ts'

test.each([
  ['./plugin', 'file:/srv/plugin'],
  ['..', 'file:/'],
  ['/opt/plugin', 'file:/opt/plugin'],
  ['plugin-1.0.0.tgz', 'file:/srv/plugin-1.0.0.tgz'],
  ['creo-plugin', 'creo-plugin'],
  ['@owner/plugin@1.0.0', '@owner/plugin@1.0.0'],
  ['owner/repository', 'owner/repository'],
  ['https://example.com/plugin.tgz', 'https://example.com/plugin.tgz'],
  ['--force', '--force']
])('creo plugins install %s means %s', (given, meant) => {
  expect(withLocalPlugins(['plugins', 'install', given], '/srv')).toEqual(['plugins', 'install', meant])
})

test('other commands keep their folders as they are', () => {
  for (const args of [['deploy', './app'], ['plugins', 'link', './plugin'], ['plugins'], []])
    expect(withLocalPlugins(args, '/srv')).toEqual(args)
})

test('whatever touches installed plugins leaves a folder’s copy with what it depends on, and does not put a link there', () => {
  for (const args of [['install', './plugin'], ['install', 'creo-plugin'], ['update'], ['uninstall', 'creo-plugin']])
    expect(localPluginSettings(['plugins', ...args])).toEqual({npm_config_install_links: 'true'})
  expect(localPluginSettings(['plugins:update'])).toEqual({npm_config_install_links: 'true'})
  for (const other of [['plugins', 'link', './plugin'], ['deploy', 'file:/srv'], []]) expect(localPluginSettings(other)).toEqual({})
})
