import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {ended, script} from '../support/processes.ts'

const SET_UP = new URL('../../packaging/setup/', import.meta.url)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-set-up-'))
})
afterEach(() => rm(folder, {recursive: true, force: true}))

test('two set-ups at once work one after the other', async () => {
  const journal = join(folder, 'journal')
  const work = `
    import {appendFileSync} from 'node:fs'
    import {readFile} from 'node:fs/promises'
    import {withSetUpLock} from '${SET_UP}set-up-lock.mjs'
    await withSetUpLock('${join(folder, 'lock')}', async () => {
      appendFileSync('${journal}', 'begin ')
      await readFile(process.execPath)
      appendFileSync('${journal}', 'end ')
    })`
  const exits = await Promise.all([ended(script(work)), ended(script(work)), ended(script(work))])
  expect(exits.map(({code}) => code)).toEqual([0, 0, 0])
  expect(await readFile(journal, 'utf8')).toBe('begin end begin end begin end ')
})

test('the lock of a set-up that was killed is taken over', async () => {
  const gone = script('process.exit(0)')
  await once(gone, 'exit')
  await writeFile(join(folder, 'lock'), String(gone.pid))
  const {code, stdout} = await ended(
    script(`import {withSetUpLock} from '${SET_UP}set-up-lock.mjs'
      await withSetUpLock('${join(folder, 'lock')}', async () => console.log('mine'))`)
  )
  expect({code, stdout}).toEqual({code: 0, stdout: 'mine\n'})
})

test('a signal sent twice, as a terminal and npm do for one Ctrl-C, reaches the program once, and its exit code is passed on', async () => {
  const program = join(folder, 'program.mjs')
  await writeFile(
    program,
    `let interrupts = 0
    process.on('SIGINT', () => console.log('interrupt ' + ++interrupts))
    process.on('SIGTERM', () => process.exit(7))
    setInterval(() => {}, 1000)
    console.log('ready')`
  )
  const parent = script(`import {handOver} from '${SET_UP}hand-over.mjs'\nawait handOver(process.execPath, ['${program}'])`)
  const end = ended(parent)
  await once(parent.stdout!, 'data')
  parent.kill('SIGINT')
  await once(parent.stdout!, 'data')
  parent.kill('SIGINT')
  parent.kill('SIGTERM')
  expect(await end).toMatchObject({code: 7, stdout: 'ready\ninterrupt 1\n'})
})

test.each([
  ['needed', 5],
  ['wanted', 0]
])(
  'without a container runtime that is %s, and without apt, one sentence on stderr says what to install, and the exit code is %i',
  async (containers, code) => {
    const said = await ended(
      script(`import {setUp} from '${SET_UP}set-up.mjs'\nawait setUp({build: false, containers: '${containers}'})`, {
        env: {...process.env, PATH: folder}
      })
    )
    expect(said).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringMatching(/^No container runtime here. Install it with: .*podman.*\n$/)
    })
  }
)

test('a test tier that does not exist is refused with the ones that do', async () => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('test.mjs', SET_UP)), 'forever'])
  expect(await ended(child)).toMatchObject({
    code: 2,
    stdout: '',
    stderr: 'There is no test tier "forever". Use check, long or soak, or nothing.\n'
  })
})

test('a program that runs too long is ended and counts as failed', async () => {
  const {code} = await ended(
    script(`import {run} from '${SET_UP}child.mjs'
      const {exitCode} = await run(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {timeoutMs: 50})
      process.exitCode = exitCode`)
  )
  expect(code).toBe(124)
})

test('a service that a program leaves behind does not keep the set-up waiting', async () => {
  const leaver =
    "const {spawn} = require('node:child_process'); const left = spawn('sleep', ['60'], {detached: true, stdio: 'inherit'}); left.unref(); console.log(left.pid)"
  const {code, stdout} = await ended(
    script(`import {run} from '${SET_UP}child.mjs'
      const {exitCode, output} = await run(process.execPath, ['-e', ${JSON.stringify(leaver)}], {quiet: true})
      console.log(exitCode, output.trim())`)
  )
  expect({code, stdout}).toEqual({code: 0, stdout: expect.stringMatching(/^0 \d+\n$/)})
  process.kill(Number(stdout.split(' ')[1]), 'SIGKILL')
})

test('a bench whose programs are missing where nothing can be installed ends with one sentence that says what to install', async () => {
  const {code, stdout, stderr} = await ended(
    script(
      `import {ensurePrograms} from '${SET_UP}system-packages.mjs'\nawait ensurePrograms(['wrk', 'nginx']).catch((error) => console.log(error.message))`,
      {env: {...process.env, PATH: folder}}
    )
  )
  expect({code, stderr}).toEqual({code: 0, stderr: ''})
  expect(stdout).toMatch(/^This needs wrk and nginx\. Install them with: .*apt-get install wrk nginx-light\n$/)
})

test('a bench whose programs are there installs nothing and says nothing', async () => {
  const {code, stdout, stderr} = await ended(
    script(`import {ensurePrograms} from '${SET_UP}system-packages.mjs'\nawait ensurePrograms([])`, {env: {...process.env, PATH: folder}})
  )
  expect({code, stdout, stderr}).toEqual({code: 0, stdout: '', stderr: ''})
})
