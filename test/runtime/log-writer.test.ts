import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import type {Readable, Writable} from 'node:stream'
import {buffer} from 'node:stream/consumers'
import {fileURLToPath} from 'node:url'
import {afterEach, beforeEach, expect, test} from 'vitest'

const ARCHITECTURE = process.arch === 'arm64' ? 'arm64' : 'amd64'
const WRITER = fileURLToPath(new URL(`../../packaging/init/creo-log-${ARCHITECTURE}`, import.meta.url))

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'creo-log-'))
  path = join(directory, 'log')
})
afterEach(() => rm(directory, {recursive: true}))

/** Starts the writer as containerd does, with stdout, stderr and the pipe that it closes when it is ready as 3, 4 and 5. */
function start(bytes: number) {
  const args = ['--bytes', String(bytes), '--log', path]
  const writer = spawn(WRITER, args, {stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe', 'pipe']})
  const [out, err, ready] = writer.stdio.slice(3) as unknown as [Writable, Writable, Readable]
  return {writer, out, err, ready}
}

test('a log holds both streams, and is complete when they end', async () => {
  const {writer, out, err, ready} = start(1024)
  expect(await buffer(ready)).toHaveLength(0)
  out.end('one\n')
  err.end('two\n')
  expect(await once(writer, 'exit')).toEqual([0, null])
  expect((await readFile(path, 'utf8')).split('\n').sort()).toEqual(['', 'one', 'two'])
})

test('a log that is full loses its oldest half and never grows beyond its size', async () => {
  const {writer, out, err} = start(100)
  err.end()
  out.end('0123456789'.repeat(13))
  await once(writer, 'exit')
  const [older, newer] = await Promise.all([readFile(`${path}.1`, 'utf8'), readFile(path, 'utf8')])
  expect(older).toBe('0123456789'.repeat(5))
  expect(newer).toBe('0123456789'.repeat(3))
})
