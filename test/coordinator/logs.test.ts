import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import Database from 'better-sqlite3'
import {execa} from 'execa'
import {pino} from 'pino'
import {expect, it, onTestFinished} from 'vitest'
import {LogFile} from '../../src/coordinator/log-file.ts'
import {FunctionLogs} from '../../src/coordinator/logs.ts'

const NODE = `node_${'0'.repeat(32)}`
const NOW_MS = 1_790_000_000_000
const log = pino({level: 'silent'})

async function temporaryPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'creo-logs-'))
  onTestFinished(() => rm(folder, {recursive: true, force: true}))
  return join(folder, 'logs.sqlite')
}

function open(path: string, nowMs = NOW_MS): FunctionLogs {
  const file = LogFile.open(path)
  onTestFinished(() => file.close())
  return new FunctionLogs({file, nowMs, log})
}

const said = (revision: string, text: string, failure?: {reason: string}) => ({
  revision,
  instance: 'i-1',
  atMs: NOW_MS,
  line: text,
  ...(failure && {failure})
})
const all = {after: -1}
const textsOf = (logs: FunctionLogs, ...revisions: string[]) => logs.read(revisions, all).lines.map(({line}) => line)

it('a process that is killed leaves its lines to the next one, with their numbers and failures', async () => {
  const path = await temporaryPath()
  const [filePath, logsPath] = ['log-file', 'logs'].map((name) => new URL(`../../src/coordinator/${name}.ts`, import.meta.url).href)
  const program = `
    const {LogFile} = await import('${filePath}')
    const {FunctionLogs} = await import('${logsPath}')
    const logs = new FunctionLogs({file: LogFile.open(process.argv[1]), nowMs: ${NOW_MS}, log: {warn: () => process.exit(3)}})
    const said = ${JSON.stringify([said('rev_1', 'booting'), said('rev_1', 'It ended.', {reason: 'crash'}), said('rev_2', 'fine')])}
    logs.append('${NODE}', said, () => true)
    process.kill(process.pid, 'SIGKILL')`
  const {signal} = await execa(process.execPath, ['--input-type=module', '-e', program, path], {reject: false})
  expect(signal).toBe('SIGKILL')

  // A clock that was set back must not number new lines below old ones.
  const logs = open(path, NOW_MS - 60_000)
  expect(textsOf(logs, 'rev_1', 'rev_2')).toEqual(['booting', 'It ended.', 'fine'])
  expect(logs.failures('rev_1', -1)).toMatchObject([{node: NODE, instance: 'i-1', line: 'It ended.', failure: {reason: 'crash'}}])
  const {place} = logs
  logs.append(NODE, [said('rev_1', 'again')], () => true)
  expect(logs.read(['rev_1'], {after: place}).lines.map(({line}) => line)).toEqual(['again'])
})

it('the file holds no more than the memory does', async () => {
  const path = await temporaryPath()
  const logs = open(path)
  for (let batch = 0; batch < 5; batch += 1)
    logs.append(
      NODE,
      Array.from({length: 300}, (_none, at) => said('rev_1', `${batch} ${at}`)),
      () => true
    )
  expect(textsOf(open(path), 'rev_1')).toEqual(textsOf(logs, 'rev_1'))
  expect(textsOf(logs, 'rev_1').slice(0, 1)).toEqual(['1 200'])
  for (let revision = 2; revision <= 2001; revision += 1) logs.append(NODE, [said(`rev_${revision}`, 'x')], () => true)
  const file = LogFile.open(path)
  onTestFinished(() => file.close())
  expect([file.read().length, file.read().some(({revision}) => revision === 'rev_1')]).toEqual([2000, false])
})

it('the file does not grow while what is new takes the place of what goes', async () => {
  const path = await temporaryPath()
  const file = LogFile.open(path)
  onTestFinished(() => file.close())
  const linesOf = (revision: string, from: number) =>
    Array.from({length: 1000}, (_none, at) => ({...said(revision, 'x'.repeat(1000)), node: NODE, seq: from + at}))
  const pages = (): number => {
    const db = new Database(path, {readonly: true})
    const count = Number(db.pragma('page_count', {simple: true}))
    db.close()
    return count
  }
  file.write({added: linesOf('rev_0', 0), keptFrom: new Map(), dropped: []})
  const before = pages()
  for (let next = 1; next <= 3; next += 1)
    file.write({added: linesOf(`rev_${next}`, next * 1000), keptFrom: new Map(), dropped: [`rev_${next - 1}`]})
  file.write({added: linesOf('rev_3', 4000), keptFrom: new Map([['rev_3', 4000]]), dropped: []})
  expect(pages()).toBeLessThan(1.2 * before)
  expect(file.read().map(({seq}) => seq)).toEqual(linesOf('rev_3', 4000).map(({seq}) => seq))
})

it('lines that the disk does not take are there until the process ends', () => {
  const full = {
    read: () => [],
    write: () => {
      throw Object.assign(new Error('database or disk is full'), {code: 'SQLITE_FULL'})
    }
  }
  const logs = new FunctionLogs({file: full, nowMs: NOW_MS, log})
  logs.append(NODE, [said('rev_1', 'kept')], () => true)
  expect(textsOf(logs, 'rev_1')).toEqual(['kept'])
})
