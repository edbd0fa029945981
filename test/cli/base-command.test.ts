import {once} from 'node:events'
import {mkdir, mkdtemp, rm, symlink, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {ended, script} from '../support/processes.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const COMMANDS = {
  wait: `console.log('waiting')
    await new Promise((_, reject) => {
      const timer = setInterval(() => {}, 1000)
      this.abort.addEventListener('abort', () => { clearInterval(timer); reject(this.abort.reason) })
    })`,
  stubborn: `console.log('waiting')
    this.abort.addEventListener('abort', () => console.log('asked to stop'))
    await new Promise(() => setInterval(() => {}, 1000))`,
  graceful: `console.log('waiting')
    await new Promise((resolve) => {
      const timer = setInterval(() => {}, 1000)
      this.abort.addEventListener('abort', () => { clearInterval(timer); resolve() })
    })
    return {stopped: true}`,
  answer: `await this.progress.step('Thinking', async () => {})
    this.log('for people')
    return {amount: '12.5'}`,
  stream: `for (const sequence of [1, 2]) this.logJsonLine({sequence})`
}

let app: string

/** A program of its own whose commands stand on the compiled base command. */
beforeAll(async () => {
  app = await mkdtemp(join(tmpdir(), 'creo-base-command-'))
  await mkdir(join(app, 'commands'))
  await symlink(join(ROOT, 'node_modules'), join(app, 'node_modules'))
  const manifest = {name: 'creo', version: '0.0.0', type: 'module', oclif: {bin: 'creo', commands: './commands'}}
  await writeFile(join(app, 'package.json'), JSON.stringify(manifest))
  for (const [name, body] of Object.entries(COMMANDS)) {
    await writeFile(
      join(app, 'commands', `${name}.js`),
      `import {CreoCommand} from '${ROOT}dist/cli/base-command.js'
      export default class Fixture extends CreoCommand {
        async run() { await this.parse(Fixture); ${body} }
      }`
    )
  }
})
afterAll(() => rm(app, {recursive: true, force: true}))

const start = (...args: readonly string[]) =>
  script(`import {runCli} from '${ROOT}dist/cli/main.js'\nawait runCli(new URL('file://${app}/'), ${JSON.stringify(args)})`)

test('Ctrl-C fires the abort signal, and the command that stops for it ends as interrupted', async () => {
  const child = start('wait')
  const end = ended(child)
  await once(child.stdout!, 'data')
  child.kill('SIGINT')
  expect(await end).toMatchObject({code: 130, stderr: ' ›   Error: Interrupted by SIGINT.\n ›   Code: interrupted\n'})
})

test('a command that ends well after SIGTERM is done, not failed', async () => {
  const child = start('graceful', '--json')
  const end = ended(child)
  await once(child.stdout!, 'data')
  child.kill('SIGTERM')
  const {code, stdout} = await end
  expect({code, result: JSON.parse(stdout.replace('waiting\n', ''))}).toEqual({code: 0, result: {stopped: true}})
})

test('a second Ctrl-C ends a command that does not stop', async () => {
  const child = start('stubborn')
  const end = ended(child)
  await once(child.stdout!, 'data')
  child.kill('SIGINT')
  await once(child.stdout!, 'data')
  child.kill('SIGINT')
  expect(await end).toMatchObject({code: 130, stderr: expect.stringContaining('second SIGINT')})
})

test('under --json stdout is the result alone and progress is silent', async () => {
  const {code, stdout, stderr} = await ended(start('answer', '--json'))
  expect({code, stderr, result: JSON.parse(stdout)}).toEqual({code: 0, stderr: '', result: {amount: '12.5'}})
})

test('for people the answer is on stdout and the talk on stderr', async () => {
  const {stdout, stderr} = await ended(start('answer'))
  expect(stdout).toBe('for people\n')
  expect(stderr).toMatch(/^Thinking … \d+ ms\n$/)
})

test('a stream under --json is one object a line', async () => {
  expect(await ended(start('stream', '--json'))).toMatchObject({code: 0, stdout: '{"sequence":1}\n{"sequence":2}\n'})
})
