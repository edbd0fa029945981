import {execFile} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {packApp} from '../../packaging/package/app-archive.ts'

const run = promisify(execFile)
/** More than the file system that stands for a full one, also when it is packed. */
const FILE_BYTES = 256 * 1024
const IN_FULL_HOME = ['unshare', '-Urm', 'sh', '-c', 'mount -t tmpfs -o size=64k none "$HOME" && exec "$@"', 'sh']
const IN_SEALED_HOME = [
  'unshare',
  '-Urm',
  'sh',
  '-c',
  'mount --bind "$HOME" "$HOME" && mount -o remount,bind,ro "$HOME" && exec "$@"',
  'sh'
]
const SCRIPT = `
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {refusalOf, unpackSomewhere} from ${JSON.stringify(new URL('../../packaging/package/place.ts', import.meta.url).href)}
const [folder] = process.argv.slice(1)
const index = JSON.parse(readFileSync(folder + '/index', 'utf8'))
const programs = process.env.HOME + '/.cache/creo/program'
try {
  const {app} = unpackSomewhere({index, withTools: false, executable: folder + '/executable', content: () => readFileSync(folder + '/content')})
  console.log(JSON.stringify({app}))
} catch (error) {
  console.log(JSON.stringify({...refusalOf(error, index), left: existsSync(programs) ? readdirSync(programs) : []}))
}`
/** Where `CI` is set, a system that gives no file systems of one's own fails the tests that need one. */
const lacksMounts = !(await run('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'none', '/tmp']).then(
  () => true,
  () => process.env.CI !== undefined
))
let folder: string
let home: string
let temporary: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'creo-place-'))
  ;[home, temporary] = ['home', 'tmp'].map((name) => join(folder, name)) as [string, string]
  for (const path of [home, temporary]) mkdirSync(path)
  const from = join(folder, 'a.js')
  writeFileSync(from, randomBytes(FILE_BYTES))
  const {index, content} = packApp([{from, path: 'a.js'}])
  writeFileSync(join(folder, 'index'), JSON.stringify(index))
  writeFileSync(join(folder, 'content'), content)
  writeFileSync(join(folder, 'executable'), 'machine code')
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))

test.each([
  ['is a file', () => writeFileSync(join(home, '.cache'), '')],
  [
    'can be written by everybody',
    () => mkdirSync(join(home, '.cache/creo'), {recursive: true}) && chmodSync(join(home, '.cache/creo'), 0o777)
  ]
])('where the cache %s, the program has its files in a folder of its user’s beside temporary ones, and says so once', async (_, spoil) => {
  spoil()
  const first = await start()
  expect(first.answer).toEqual({app: expect.stringContaining(`${temporary}/creo-${process.getuid?.()}/program/`)})
  expect(first.stderr).toContain(`${home}/.cache/creo can't be written, so creo keeps its files in ${temporary}/creo-`)
  expect(await start()).toEqual({answer: first.answer, stderr: ''})
})

test.skipIf(lacksMounts)('so it does where the home can only be read', async () => {
  expect((await start(IN_SEALED_HOME)).answer).toEqual({app: expect.stringContaining(`${temporary}/creo-`)})
})

test('so it does where the home takes no folder, as /proc, in which Node’s own mkdir -p goes round for ever', async () => {
  home = '/proc'
  expect((await start()).answer).toEqual({app: expect.stringContaining(`${temporary}/creo-`)})
})

test('where it can write nowhere, it says what to name', async () => {
  home = temporary = join(folder, 'a.js')
  expect((await start()).answer).toEqual({
    code: 'data_dir_unwritable',
    message: expect.stringMatching(/^creo's files can't be written to the user's cache: ENOTDIR: .*\.$/),
    hint: 'Name a folder that can be: XDG_CACHE_HOME=/path creo',
    left: []
  })
})

test.skipIf(lacksMounts)('where the disk is full, it says how much is wanted, and leaves nothing half written', async () => {
  expect((await start(IN_FULL_HOME)).answer).toEqual({
    code: 'data_dir_unwritable',
    message: "There is no space for creo's files in the user's cache: they take 1 MiB, and Node as much as this file.",
    hint: 'Free some, or name a folder elsewhere: XDG_CACHE_HOME=/path creo',
    left: []
  })
})

test.each([
  ['cut short', (content: Buffer) => content.subarray(0, content.length / 2)],
  ['changed', (content: Buffer) => Buffer.alloc(content.length, 1)]
])('a program whose files are %s is said to be damaged, and nothing of them is kept', async (_, damage) => {
  const content = join(folder, 'content')
  writeFileSync(content, damage(readFileSync(content)))
  expect((await start()).answer).toEqual({
    code: 'digest_mismatch',
    message: 'This file of creo is damaged: what is packed in it can’t be unpacked.',
    hint: 'Download creo again.',
    left: []
  })
})

/** Unpacks as the program does when it starts, in a process of its own. */
async function start(within: readonly string[] = []): Promise<{readonly answer: unknown; readonly stderr: string}> {
  const [program = '', ...args] = [...within, process.execPath, '--input-type=module-typescript', '-e', SCRIPT, folder]
  const {stdout, stderr} = await run(program, args, {env: {HOME: home, TMPDIR: temporary, PATH: process.env.PATH}})
  return {answer: JSON.parse(stdout), stderr}
}
