import {readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {followLog, newestLines, nodeLogPath} from '../../src/miner/node-log.ts'
import {createLog} from '../../src/telemetry/log.ts'
import {olderLogFile, rotatingLogFile} from '../../src/telemetry/rotating-log-file.ts'
import {temporaryDirectory} from './worlds.ts'

async function world(bytesMax = 100_000) {
  const directory = await temporaryDirectory()
  const log = createLog({role: 'miner', env: {}, stream: rotatingLogFile(nodeLogPath(directory), bytesMax)})
  return {directory, log}
}

test('the newest lines are read over both files, and the log never takes more than twice its size', async () => {
  const {directory, log} = await world(1000)
  for (let round = 1; round <= 100; round += 1) log.info({round}, 'looked')
  const path = nodeLogPath(directory)
  for (const file of [path, olderLogFile(path)]) expect((await stat(file)).size).toBeLessThan(1200)
  const {lines: newest} = await newestLines(directory, 8)
  expect(newest.map(({facts}) => facts.round)).toEqual([93, 94, 95, 96, 97, 98, 99, 100])
  expect(newest[0]).toMatchObject({level: 'info', message: 'looked', at: expect.stringMatching(/^\d{4}-.*Z$/)})
})

test('a line that is no JSON, as a crash leaves it, is passed over', async () => {
  const {directory, log} = await world()
  rotatingLogFile(nodeLogPath(directory), 100_000).write('{"half\n')
  log.warn('whole')
  expect(await readFile(join(directory, 'miner.log'), 'utf8')).toContain('{"half')
  expect(await newestLines(directory, 10)).toMatchObject({lines: [{level: 'warn', message: 'whole'}]})
})

test('who follows sees what is written from then on, also over a change of the file', async () => {
  const {directory, log} = await world(400)
  log.info('before')
  const {end} = await newestLines(directory, 10)
  const ended = new AbortController()
  const seen: string[] = []
  const following = (async () => {
    for await (const {message} of followLog(directory, end, ended.signal)) {
      seen.push(message)
      if (seen.length === 1) for (const word of ['two', 'three', 'four', 'five']) log.info(word)
      if (message === 'five') ended.abort()
    }
  })()
  log.info('one')
  await expect.poll(() => seen.at(-1)).toBe('five')
  await following
  expect(seen).toEqual(['one', 'two', 'three', 'four', 'five'])
})

test('a node that never ran has written nothing', async () => {
  expect(await newestLines(await temporaryDirectory(), 10)).toEqual({lines: [], end: {ino: 0, offset: 0}})
})
