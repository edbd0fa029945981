import {readdir, readFile, truncate, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {toCreoError} from '../../src/cli/error-words.ts'
import {minerStatus} from '../../src/compose/miner-status.ts'
import {loadKeyFile} from '../../src/identity/keys.ts'
import {saveSettings} from '../../src/miner/settings.ts'
import {signal, started, TERMS, world} from './miner-world.ts'

/** How what was tried ended: `done`, or an error's code. */
async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    return toCreoError(error, {commandLine: 'creo mine start', interrupted: false}).code
  }
}

test('whichever file of its folder a power cut empties or halves, a miner starts again or says what is wrong', async () => {
  const w = await world()
  const folder = join(w.directory, 'm')
  w.coordinator.setTable(w.table())
  const {memoryBytes, cpuMillis, functionsMax, diskBytes, dataBytesPerMonth, hours, onlyIdle, onBattery} = TERMS
  await saveSettings(folder, {
    ...{memoryBytes, cpuMillis, functionsMax, diskBytes, dataBytesPerMonth, hours, onlyIdle, onBattery, earn: [...TERMS.earn]},
    ...{format: 'creo-miner-v1', coordinatorUrl: w.coordinator.url, networkId: w.coordinator.network, runtime: 'memory', enrolled: true},
    ...{coordinatorKey: w.coordinator.key.publicKey, network: 'development', name: 'one'}
  })
  const miner = await w.miner()
  await started(w)
  await w.gateway.ask(w.node, 'i-1')
  await miner.drain()
  const files = (await readdir(folder, {withFileTypes: true})).filter((entry) => entry.isFile()).map(({name}) => name)
  expect(files).toEqual(
    expect.arrayContaining(['data-used.json', 'miner.sqlite', 'node.key', 'settings.json', 'status.json', 'table.json'])
  )
  const ended: Record<string, readonly string[]> = {}
  for (const name of files) {
    const path = join(folder, name)
    const whole = await readFile(path)
    for (const share of [0, 0.5]) {
      await truncate(path, Math.floor(whole.length * share))
      const status = await outcome(minerStatus(folder, Date.now(), signal))
      const start = await outcome(loadKeyFile(join(folder, 'node.key')).then(async () => await (await w.miner()).drain()))
      ended[`${name}, ${share}`] = [status, start]
      await writeFile(path, whole)
    }
  }
  expect(ended).toMatchObject({
    'data-used.json, 0': ['done', 'invalid_input'],
    'miner.sqlite, 0.5': ['done', 'data_dir_unwritable'],
    'node.key, 0': ['done', 'invalid_input'],
    'settings.json, 0': ['invalid_input', 'done'],
    'status.json, 0': ['not_found', 'done'],
    'status.json, 0.5': ['not_found', 'done'],
    'table.json, 0': ['done', 'done'],
    'table.json, 0.5': ['done', 'done']
  })
  expect(Object.values(ended).flat()).not.toContain('internal')
}, 120_000)
