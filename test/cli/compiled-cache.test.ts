import {chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {creo, type Ended} from '../support/processes.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'creo-compiled-'))
})
afterEach(() => rm(home, {recursive: true, force: true}))

function run(cacheHome: string): Promise<Ended> {
  const {NODE_COMPILE_CACHE: _, ...env} = process.env
  return creo(['network', 'list'], {env: {...env, XDG_CACHE_HOME: cacheHome, CREO_CONFIG_DIR: join(home, 'config')}})
}

test('compiled code is kept for the next start in a folder of this user alone', async () => {
  expect(await run(join(home, 'cache'))).toMatchObject({code: 0})
  expect((await stat(join(home, 'cache/creo/compiled'))).mode & 0o777).toBe(0o700)
  expect(await readdir(join(home, 'cache/creo/compiled'))).not.toEqual([])
})

test('a folder that others can write is left alone', async () => {
  const folder = join(home, 'cache/creo/compiled')
  await mkdir(folder, {recursive: true})
  await chmod(folder, 0o770)
  expect(await run(join(home, 'cache'))).toMatchObject({code: 0, stderr: ''})
  expect(await readdir(folder)).toEqual([])
})

test.each([
  ['cache', 0o707],
  ['cache/creo', 0o770]
])('a folder below %s is left alone where others can write that: they could put another in its place', async (level, mode) => {
  const folder = join(home, 'cache/creo/compiled')
  await mkdir(folder, {recursive: true, mode: 0o700})
  await chmod(join(home, level), mode)
  expect(await run(join(home, 'cache'))).toMatchObject({code: 0, stderr: ''})
  expect(await readdir(folder)).toEqual([])
})

test('a link in the place of a folder of ours is not followed', async () => {
  const elsewhere = join(home, 'elsewhere')
  await mkdir(join(elsewhere, 'compiled'), {recursive: true, mode: 0o700})
  await mkdir(join(home, 'cache'), {mode: 0o700})
  await symlink(elsewhere, join(home, 'cache/creo'))
  expect(await run(join(home, 'cache'))).toMatchObject({code: 0, stderr: ''})
  expect(await readdir(join(elsewhere, 'compiled'))).toEqual([])
})

test('where no folder can be made creo works the same', async () => {
  await writeFile(join(home, 'file'), '')
  expect(await run(join(home, 'file'))).toMatchObject({code: 0, stderr: ''})
})
