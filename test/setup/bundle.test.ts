import {execFile, spawn} from 'node:child_process'
import {globSync, readFileSync, statSync} from 'node:fs'
import {cp, mkdir, mkdtemp, rm, utimes, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath, pathToFileURL} from 'node:url'
import {promisify} from 'node:util'
import {beforeAll, expect, test} from 'vitest'
import {CliWorld} from '../commands/cli-world.ts'
import {creo, ended, script} from '../support/processes.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const BUNDLE = join(ROOT, 'bundle')
/** Other tests run the bundle, as users do. */
const SINGLE = {...process.env, CREO_BUNDLE: 'off'}

async function makeBundle(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(ROOT, 'packaging', 'setup', 'bundle.mjs')])
}

function bundledFiles() {
  return globSync('**', {cwd: BUNDLE, withFileTypes: true}).filter((entry) => entry.isFile())
}

beforeAll(makeBundle)

test('what was compiled makes the same bundle twice, which then stays where it is, without a path of this machine in it', async () => {
  const {ino} = statSync(BUNDLE)
  await makeBundle()
  expect(statSync(BUNDLE).ino).toBe(ino)
  const telling = bundledFiles().filter(({parentPath, name}) => readFileSync(join(parentPath, name), 'utf8').includes(ROOT))
  expect(telling).toEqual([])
})

test('every command of the bundle loads, the plugins among them', async () => {
  const files = globSync(
    ['commands/**/*.js', 'node_modules/@oclif/*/lib/{commands,hooks}/**/*.js', 'node_modules/@creometry/*/dist/hook.js'],
    {
      cwd: BUNDLE
    }
  )
  const loading = `for (const file of ${JSON.stringify(files)}) {
    const module = await import('file://${BUNDLE}/' + file)
    if (!Object.values(module).some((one) => typeof one === 'function')) throw new Error(file + ' exports no command')
  }
  process.exit()`
  expect(await ended(script(loading, {stdio: ['ignore', 'pipe', 'pipe']}))).toEqual({code: 0, stdout: '', stderr: ''})
  expect(files.length).toBeGreaterThan(globSync('commands/**/*.js', {cwd: join(ROOT, 'dist')}).length)
})

test.each(['help', 'help deploy', 'account --help', 'plugins --help', 'deploi', 'plugins', 'config list --json'])(
  'creo %s answers from the bundle what it answers from single files',
  async (line) => {
    const [bundled, single] = await Promise.all([creo(line.split(' ')), creo(line.split(' '), {env: SINGLE})])
    expect(bundled).toEqual(single)
  }
)

test('a coordinator of the bundle opens its database, starts its threads and takes signed commands, and its templates and page are found', async () => {
  const world = await CliWorld.make()
  try {
    await world.must('init', 'shop', '--template', 'node', '--org', 'bakery')
    await world.startCoordinator()
    await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId, '--name', 'home')
    await world.must('account', 'create', 'bakery')
    expect(await world.must('account', 'show')).toMatchObject({name: 'bakery'})
    const page = await fetch(new URL('/operator', world.coordinatorUrl))
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<html')])
  } finally {
    await world.close()
  }
})

test('creo starts from the bundle, and from single files that were compiled after it', async () => {
  const root = await mkdtemp(join(tmpdir(), 'creo-fresh-'))
  const said = async (): Promise<string> => (await ended(spawn(process.execPath, [join(root, 'bin', 'run.js'), 'apps']))).stdout
  try {
    await cp(join(ROOT, 'bin'), join(root, 'bin'), {recursive: true})
    await writeFile(join(root, 'package.json'), '{"type": "module"}')
    for (const name of ['bundle', 'dist']) {
      await mkdir(join(root, name, 'cli'), {recursive: true})
      await writeFile(join(root, name, 'cli', 'main.js'), `export const runCli = (place) => console.log('${name}', place.href)`)
    }
    const compiled = join(root, 'dist', '.tsbuildinfo')
    await writeFile(compiled, '')
    await utimes(compiled, 1, 1)
    expect(await said()).toBe(`bundle ${pathToFileURL(join(root, 'bundle')).href}/\n`)
    await utimes(compiled, 2 ** 32, 2 ** 32)
    expect(await said()).toBe(`dist ${pathToFileURL(root).href}/\n`)
    await rm(join(root, 'dist'), {recursive: true})
    expect(await said()).toBe(`bundle ${pathToFileURL(join(root, 'bundle')).href}/\n`)
  } finally {
    await rm(root, {recursive: true, force: true})
  }
})
