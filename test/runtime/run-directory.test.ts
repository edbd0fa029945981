import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync} from 'node:fs'
import {mkdir, mkdtemp, readdir, rm, utimes} from 'node:fs/promises'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {basename, join} from 'node:path'
import {execa} from 'execa'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {makeRunDirectory} from '../../src/runtime/run-directory.ts'

const isRoot = process.getuid?.() === 0
let base: string
let states: string
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'creo-run-'))
  states = await mkdtemp(join(tmpdir(), 'creo-states-'))
})
afterEach(async () => {
  await rm(base, {recursive: true})
  await rm(states, {recursive: true})
})

const make = async (name: string) => {
  const stateDirectory = join(states, name)
  await mkdir(stateDirectory, {recursive: true})
  return makeRunDirectory(execa, {stateDirectory, bases: [undefined, base], mode: 0o700})
}

test('a later process finds the directory of its state again, and that of no other', async () => {
  const first = await make('one')
  expect(await make('one')).toBe(first)
  expect(await make('two')).not.toBe(first)
})

test.runIf(isRoot)('what a killed process left goes at the next start once its state is gone, mounts and all', async () => {
  const left = await make('killed')
  await mkdir(join(left, 'i/instance'), {recursive: true})
  await execa('mount', ['-t', 'tmpfs', 'creo', join(left, 'i/instance')])
  const kept = await make('alive')
  expect(existsSync(left)).toBe(true)
  await rm(join(states, 'killed'), {recursive: true})
  await make('next')
  expect(existsSync(left)).toBe(false)
  expect(existsSync(kept)).toBe(true)
})

test('one without an owner goes once it is old, and only with a name as ours and nobody who uses it', async () => {
  const names = ['creo-0123abcd', 'creo-00000001', 'creo-00000002', 'creo-notours']
  for (const name of names) await mkdir(join(base, name, 'run'), {recursive: true})
  const server = createServer().listen(join(base, 'creo-00000001', 'service.sock'))
  await once(server, 'listening')
  const longAgo = new Date(Date.now() - 2 * 3_600_000)
  for (const name of names.filter((name) => name !== 'creo-00000002')) await utimes(join(base, name), longAgo, longAgo)
  const made = await make('one')
  expect((await readdir(base)).sort()).toEqual([...names.slice(1), basename(made)].sort())
  server.close()
  await once(server, 'close')
})

test.runIf(isRoot)('one without an owner stays while something is mounted in it', async () => {
  const directory = join(base, 'creo-0123abcd')
  await mkdir(join(directory, 'i'), {recursive: true})
  await execa('mount', ['-t', 'tmpfs', 'creo', join(directory, 'i')])
  try {
    const longAgo = new Date(Date.now() - 2 * 3_600_000)
    await utimes(directory, longAgo, longAgo)
    await make('one')
    expect(existsSync(directory)).toBe(true)
  } finally {
    await execa('umount', [join(directory, 'i')])
  }
  await make('two')
  expect(existsSync(directory)).toBe(false)
})

test('a directory stays in which somebody still listens, or which a process was told of', async () => {
  const [listening, told] = [await make('listening'), await make('told')]
  const server = createServer().listen(join(listening, 'service.sock'))
  await once(server, 'listening')
  const monitor = spawn('sleep', ['600'], {argv0: `monitor of ${told}/`, stdio: 'ignore'})
  await once(monitor, 'spawn')
  for (const name of ['listening', 'told']) await rm(join(states, name), {recursive: true})
  await make('next')
  expect(existsSync(listening)).toBe(true)
  expect(existsSync(told)).toBe(true)
  server.close()
  monitor.kill()
  await Promise.all([once(server, 'close'), once(monitor, 'exit')])
  await make('another')
  expect(await readdir(base)).toHaveLength(2)
})
