import {appendFile, mkdtemp, rename, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {unwrapLines} from '../../plugins/runtime-podman/src/log-lines.ts'
import {readLog} from '../../src/runtime/log-file.ts'

const TIME = '2026-01-01T00:00:00.000000000+00:00'
const signal = AbortSignal.timeout(30_000)
const unwrap = unwrapLines

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'creo-log-'))
  path = join(directory, 'log')
})
afterEach(() => rm(directory, {recursive: true}))

test('puts parts of a line together and keeps spaces', async () => {
  await writeFile(path, `${TIME} stdout P one \n${TIME} stdout F  two\n${TIME} stderr F \n`)
  expect(await text(readLog({path, follow: false, ended: Promise.resolve(), unwrap, signal}))).toBe('one  two\n\n')
})

test('says nothing of a log that is not there', async () => {
  expect(await text(readLog({path, follow: false, ended: Promise.resolve(), unwrap, signal}))).toBe('')
})

test('follows a log over its replacement to its end', async () => {
  const ended = Promise.withResolvers<void>()
  await writeFile(path, `${TIME} stdout F one\n`)
  const log = readLog({path, follow: true, ended: ended.promise, unwrap, signal})
  expect(String((await log.next()).value)).toBe('one\n')
  await appendFile(path, `${TIME} stdout F two\n`)
  expect(String((await log.next()).value)).toBe('two\n')
  await writeFile(`${path}.new`, `${TIME} stdout F three\n`)
  await rename(`${path}.new`, path)
  expect(String((await log.next()).value)).toBe('three\n')
  await appendFile(path, `${TIME} stdout F last\n`)
  ended.resolve()
  expect(String((await log.next()).value)).toBe('last\n')
  expect(await log.next()).toMatchObject({done: true})
})
