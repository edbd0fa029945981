import {execFile, spawn} from 'node:child_process'
import {once} from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {packApp} from '../../packaging/package/app-archive.ts'
import {collect} from '../../packaging/package/collect.ts'
import {type Packed, unpack} from '../../packaging/package/unpack.ts'

const FUSE = ['NODE_SEA', 'FUSE', 'fce680ab2cc467b6e072b8b5df1996b2:'].join('_')
const PROCESSES = 8
const run = promisify(execFile)
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'creo-unpack-'))
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))

test('the same files give the same bytes, in whatever order and of whatever age they are', () => {
  const sources = writeSources({'a.js': 'one', 'lib/b.js': 'two'})
  const first = packApp(sources)
  for (const {from} of sources) utimesSync(from, 1, 1)
  const second = packApp(sources.toReversed())
  expect(second.index).toEqual(first.index)
  expect(second.content.equals(first.content)).toBe(true)
  expect(packApp(writeSources({'a.js': 'one', 'lib/b.js': 'other'})).index.id).not.toBe(first.index.id)
})

test('the first start writes the files for their user alone, and a Node that is not the program', () => {
  const place = unpack(programs(), packed())
  expect(place.unpacked).toBe(true)
  expect(readFileSync(join(place.app, 'lib/b.js'), 'utf8')).toBe('two')
  expect(statSync(join(place.app, 'lib/b.js')).mode & 0o777).toBe(0o600)
  expect(statSync(join(place.app, 'tool')).mode & 0o777).toBe(0o700)
  expect(statSync(programs()).mode & 0o777).toBe(0o700)
  expect(readFileSync(place.node, 'utf8')).toBe(`machine code ${FUSE}0 more`)
  expect(readFileSync(join(folder, 'executable'), 'utf8')).toBe(`machine code ${FUSE}1 more`)
})

test('a later start unpacks nothing', () => {
  unpack(programs(), packed())
  const asked = {...packed(), content: () => expect.fail('was asked for the content')}
  expect(unpack(programs(), asked).unpacked).toBe(false)
})

test.each([
  ['a file that was deleted', (app: string) => rmSync(join(app, 'lib/b.js'))],
  ['a folder that was deleted', (app: string) => rmSync(join(app, 'lib'), {recursive: true})],
  ['the Node that was deleted', (app: string) => rmSync(join(app, '../bin/node'))],
  ['the note that it is whole', (app: string) => rmSync(join(app, '../checked'))]
])('the next start puts back %s', (_, damage) => {
  const {app, node} = unpack(programs(), packed())
  damage(app)
  const again = unpack(programs(), packed())
  expect(again).toEqual({app, node, unpacked: false})
  expect(readFileSync(join(app, 'lib/b.js'), 'utf8')).toBe('two')
  expect(readFileSync(node, 'utf8')).toContain(`${FUSE}0`)
  expect(unpack(programs(), {...packed(), content: () => expect.fail('is still not whole')}).unpacked).toBe(false)
})

test('what npm lost is put back by a start that may run it, and no other looks for it', () => {
  const {index, content} = packApp(writeSources({'a.js': 'one', 'node_modules/npm/lib/b.js': 'two'}))
  const start = (withTools: boolean) => unpack(programs(), {index, withTools, content: () => content, executable: executable()})
  const lost = join(start(false).app, 'node_modules/npm/lib')
  rmSync(lost, {recursive: true})
  start(false)
  expect(existsSync(lost)).toBe(false)
  start(true)
  expect(readFileSync(join(lost, 'b.js'), 'utf8')).toBe('two')
})

test('the first start after the machine was switched off looks at every byte', () => {
  const {app} = unpack(programs(), packed())
  truncateSync(join(app, 'a.js'), 0)
  writeFileSync(join(app, '../checked'), 'another start of the machine')
  unpack(programs(), packed())
  expect(readFileSync(join(app, 'a.js'), 'utf8')).toBe('one')
})

test('content that is not what was packed is never put in its place', () => {
  const {index, executable} = packed()
  const other = packApp(writeSources({'a.js': 'ONE', 'lib/b.js': 'two', tool: 'run'}))
  expect(() => unpack(programs(), {index, executable, withTools: false, content: () => other.content})).toThrow(
    /a\.js in it is not what was packed/
  )
  expect(readdirSync(programs())).toEqual([])
})

test('a folder that others can write is refused', () => {
  mkdirSync(programs(), {mode: 0o700})
  chmodSync(programs(), 0o777)
  expect(() => unpack(programs(), packed())).toThrow(/can be written by others/)
})

test('a folder that others can replace is refused, though it is this user’s own', () => {
  const shared = join(folder, 'shared')
  mkdirSync(shared)
  chmodSync(shared, 0o775)
  unpack(join(shared, 'program'), packed())
  chmodSync(shared, 0o777)
  expect(() => unpack(join(shared, 'program'), packed())).toThrow(/shared can be written by others/)
  if (process.getuid?.() !== 0) return
  chmodSync(shared, 0o755)
  chownSync(shared, 65_534, 65_534)
  expect(() => unpack(join(shared, 'program'), packed())).toThrow(/shared can be written by others/)
})

test('eight first starts at once leave one whole program and nothing half written', async () => {
  const {index, content, executable} = packed()
  writeFileSync(join(folder, 'content'), content())
  writeFileSync(join(folder, 'index'), JSON.stringify(index))
  const script = `
    import {readFileSync} from 'node:fs'
    import {unpack} from ${JSON.stringify(new URL('../../packaging/package/unpack.ts', import.meta.url).href)}
    const [programs, folder, executable] = process.argv.slice(1)
    const index = JSON.parse(readFileSync(folder + '/index', 'utf8'))
    const {app} = unpack(programs, {index, executable, withTools: false, content: () => readFileSync(folder + '/content')})
    process.stdout.write(readFileSync(app + '/lib/b.js', 'utf8'))`
  const args = ['--input-type=module-typescript', '-e', script, programs(), folder, executable]
  const answers = await Promise.all(Array.from({length: PROCESSES}, async () => (await run(process.execPath, args)).stdout))
  expect(answers).toEqual(Array.from({length: PROCESSES}, () => 'two'))
  expect(readdirSync(programs())).toEqual([index.id])
})

test('an old version is removed unless a process still has it open', async () => {
  const [unused, used, current] = ['1', '2', '3'].map((text) => packApp(writeSources({[`${text}.js`]: text})))
  for (const {index} of [unused!, used!]) {
    mkdirSync(join(programs(), index.id), {recursive: true, mode: 0o700})
    writeFileSync(join(programs(), index.id, 'checked'), '')
  }
  const {index} = current!
  unpack(programs(), {index, withTools: false, content: () => current!.content, executable: executable()})
  const opens = `require('fs').openSync(${JSON.stringify(join(programs(), used!.index.id, 'checked'))}); console.log('open'); setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['-e', opens], {stdio: ['ignore', 'pipe', 'inherit']})
  await once(child.stdout, 'data')
  collect(programs(), index.id)
  expect(readdirSync(programs()).sort()).toEqual([used!.index.id, index.id].sort())
  child.kill('SIGKILL')
  await once(child, 'exit')
  collect(programs(), index.id)
  expect(readdirSync(programs())).toEqual([index.id])
})

test('two versions side by side each have files of their own, and neither start changes what the other runs from', () => {
  const versions = ['one', 'two'].map((text) => packApp(writeSources({'a.js': text})))
  const start = ({index, content}: (typeof versions)[number]): string => {
    const {app, unpacked} = unpack(programs(), {index, withTools: false, content: () => content, executable: executable()})
    // As the entry does it; this very process has the other open.
    if (unpacked) collect(programs(), index.id)
    return readFileSync(join(app, 'a.js'), 'utf8')
  }
  const starts = [0, 1, 0, 1].map((version) => start(versions[version]!))
  expect(starts).toEqual(['one', 'two', 'one', 'two'])
  expect(readdirSync(programs()).sort()).toEqual(versions.map(({index}) => index.id).sort())
})

test('what a process that was killed left half written is removed, and what one is writing is not', () => {
  const {index} = packed()
  unpack(programs(), packed())
  const [left, young] = ['.new-1-a', '.new-1-b'].map((name) => join(programs(), name))
  mkdirSync(left!)
  mkdirSync(young!)
  utimesSync(left!, 1, 1)
  collect(programs(), index.id)
  expect([existsSync(left!), existsSync(young!)]).toEqual([false, true])
})

function programs(): string {
  return join(folder, 'program')
}

function packed(): Packed {
  const {index, content} = packApp(writeSources({'a.js': 'one', 'lib/b.js': 'two', tool: 'run'}))
  return {index, withTools: false, content: () => content, executable: executable()}
}

function executable(): string {
  const path = join(folder, 'executable')
  writeFileSync(path, `machine code ${FUSE}1 more`)
  return path
}

function writeSources(files: Readonly<Record<string, string>>): {readonly from: string; readonly path: string}[] {
  return Object.entries(files).map(([path, text]) => {
    const from = join(folder, `source-${path.replaceAll('/', '-')}`)
    writeFileSync(from, text)
    chmodSync(from, path === 'tool' ? 0o755 : 0o644)
    return {from, path}
  })
}
