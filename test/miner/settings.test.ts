import {expect, test} from 'vitest'
import {loadSettings, mergeSettings, parseCpuMillis, saveSettings} from '../../src/miner/settings.ts'
import {temporaryDirectory} from './worlds.ts'

const DEFAULTS = {name: 'host', memoryBytes: 1000, cpuMillis: 2000, runtime: 'podman'}
const GIVEN = {coordinatorUrl: 'http://127.0.0.1:7700', networkId: 'ab'.repeat(32), earn: ['colibris/LEAF', 'gutta']}

test('the first start needs the network and what to earn, and says which is missing', () => {
  expect(() => mergeSettings(undefined, {}, DEFAULTS)).toThrow('--coordinator is missing.')
  expect(() => mergeSettings(undefined, {...GIVEN, networkId: undefined}, DEFAULTS)).toThrow('--network-id is missing.')
  expect(() => mergeSettings(undefined, {...GIVEN, earn: undefined}, DEFAULTS)).toThrow('--earn is missing.')
  const hint = expect.stringContaining('creo network join URL --id HASH')
  expect(() => mergeSettings(undefined, {}, DEFAULTS)).toThrow(expect.objectContaining({code: 'usage', hint}))
})

test.each([
  [{earn: ['gutta', 'leaf']}, '--earn leaf is nothing to earn.', 'org/CODE'],
  [{coordinatorUrl: 'ftp://x'}, '--coordinator ftp://x is not the address of a coordinator.', 'http://'],
  [{networkId: 'ab'}, '--network-id ab is not the id of a network.', '64'],
  [{name: 'a\nb'}, '--name a\nb is not a name.', 'one line'],
  [{diskBytes: 2 ** 60}, `--disk ${2 ** 60} is too much.`, '20GiB']
])('%j is refused with its flag named and what to write instead', (given, message, hint) => {
  const refused = expect.objectContaining({code: 'usage', message, hint: expect.stringContaining(hint)})
  expect(() => mergeSettings(undefined, {...GIVEN, ...given}, DEFAULTS)).toThrow(refused)
})

test('later starts need nothing, and what is given again replaces what was remembered', async () => {
  const directory = await temporaryDirectory()
  expect(await loadSettings(directory)).toBeUndefined()
  const first = mergeSettings(undefined, {...GIVEN, memoryBytes: 5}, DEFAULTS)
  await saveSettings(directory, {...first, enrolled: true})
  const remembered = await loadSettings(directory)
  expect(mergeSettings(remembered, {}, DEFAULTS)).toEqual({...first, enrolled: true})
  expect(mergeSettings(remembered, {earn: ['gutta']}, DEFAULTS)).toMatchObject({earn: ['gutta'], memoryBytes: 5, name: 'host'})
})

test('a folder belongs to one network once its node is enrolled, and pins the next one anew before that', () => {
  const pinned = {coordinatorKey: 'A'.repeat(43), network: 'production'} as const
  const remembered = {...mergeSettings(undefined, GIVEN, DEFAULTS), ...pinned}
  const networkId = 'cd'.repeat(32)
  expect(mergeSettings(remembered, {networkId}, DEFAULTS)).toMatchObject({networkId, coordinatorKey: null, network: null})
  expect(() => mergeSettings({...remembered, enrolled: true}, {networkId}, DEFAULTS)).toThrow(expect.objectContaining({code: 'conflict'}))
})

test.each([
  ['2', 2000],
  ['0.5', 500]
])('%s CPUs are %i thousandths', (text, millis) => {
  expect(parseCpuMillis(text)).toBe(millis)
})

test.each(['0', '-1', 'all', '1.2345', ''])('"%s" is no number of CPUs', (text) => {
  expect(() => parseCpuMillis(text)).toThrow(expect.objectContaining({code: 'invalid_input'}))
})
