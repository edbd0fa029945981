import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {initApp} from '../../src/developer/init.ts'
import {readManifest} from '../../src/developer/read-manifest.ts'
import {TEMPLATE_NAMES, type TemplateName} from '../../src/developer/templates.ts'
import {freePort} from '../support/free-port.ts'
import {installFramework} from '../support/functions-framework.ts'

const READY_MAX_MS = 60_000
const INSTALL_MAX_MS = 180_000
const FRAMEWORK = '@google-cloud/functions-framework'
/** The one function of the framework that the template calls, with the two things that it does with its arguments. */
const STAND_IN = `import {createServer} from 'node:http'
export const http = (name, handle) => {
  if (name !== 'web') throw new Error('--target names another function')
  createServer((request, response) => {
    request.path = request.url.replace(/[?].*/, '')
    response.json = (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
    handle(request, response)
  }).listen(process.env.PORT)
}
`
let folder: string
let child: ChildProcess | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-template-'))
})

afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  child = undefined
  await rm(folder, {recursive: true, force: true})
})

test.each(TEMPLATE_NAMES)('the template %s is an app whose manifest holds', async (template) => {
  const files = await init(template)
  expect(files).toContain(join(folder, 'shop/creo.yaml'))
  const {manifest} = await readManifest(join(folder, 'shop'))
  expect(manifest).toMatchObject({app: 'shop', org: 'colibris', routes: [{path: '/', function: 'web'}]})
})

test.each([
  ['server', process.execPath, 'server.mjs'],
  ['typescript', process.execPath, 'server.ts'],
  ['python', 'python3', 'server.py'],
  ['containerfile', process.execPath, 'server.mjs']
] as const)('what the template %s writes answers on $PORT and ends at SIGTERM', async (template, program, file) => {
  await init(template)
  const url = await run(program, file)
  expect(await (await fetch(`${url}/a?b`)).json()).toMatchObject({hello: 'world', path: expect.stringContaining('/a')})
  const exited = once(child!, 'exit')
  child!.kill('SIGTERM')
  expect((await exited)[0]).toBe(0)
})

test('the template node answers through the Functions Framework, and ends at SIGTERM', {timeout: INSTALL_MAX_MS}, async ({skip}) => {
  await init('node')
  const reason = await installFramework(join(folder, 'shop/web'))
  if (reason !== undefined) skip(reason)
  const {manifest} = await readManifest(join(folder, 'shop'))
  const [program = '', ...args] = manifest.functions.web?.command ?? []
  expect(program).toBe('node')
  const url = await run(process.execPath, ...args)
  expect(await (await fetch(`${url}/a?b`)).json()).toEqual({hello: 'world', path: '/a'})
  const exited = once(child!, 'exit')
  child!.kill('SIGTERM')
  expect((await exited)[0]).toBe(0)
})

test('what the template node writes is a function of the framework by its name, type and answer', async () => {
  await init('node')
  const place = join(folder, 'shop/web/node_modules', FRAMEWORK)
  await mkdir(place, {recursive: true})
  await writeFile(join(place, 'package.json'), JSON.stringify({name: FRAMEWORK, type: 'module', exports: './index.js'}))
  await writeFile(join(place, 'index.js'), STAND_IN)
  const url = await run(process.execPath, 'index.mjs')
  expect(await (await fetch(`${url}/a?b`)).json()).toEqual({hello: 'world', path: '/a'})
})

test('the template site serves what is in its folder, says when it has not changed, and nothing else', async () => {
  await init('site')
  const url = await run(process.execPath, 'server.mjs')
  const page = await fetch(url)
  expect([page.status, page.headers.get('content-type'), await page.text()]).toEqual([
    200,
    'text/html; charset=utf-8',
    expect.stringContaining('Hello')
  ])
  const again = await fetch(`${url}/index.html`, {headers: {'if-none-match': page.headers.get('etag')!}})
  expect(again.status).toBe(304)
  for (const target of ['/server.mjs', '/..%2fserver.mjs', '/%', '/nothing'])
    expect([target, (await fetch(url + target)).status]).toEqual([target, 404])
  expect((await fetch(url, {method: 'POST'})).status).toBe(405)
})

function init(template: TemplateName): Promise<readonly string[]> {
  return initApp(join(folder, 'shop'), {app: 'shop', org: 'colibris', incentive: undefined, template})
}

/** Starts what a container would, and waits until it answers. */
async function run(program: string, ...args: readonly string[]): Promise<string> {
  const port = await freePort()
  child = spawn(program, args, {cwd: join(folder, 'shop/web'), env: {PATH: process.env.PATH ?? '', PORT: String(port)}, stdio: 'inherit'})
  const url = `http://127.0.0.1:${port}`
  const deadline = AbortSignal.timeout(READY_MAX_MS)
  while (!(await fetch(url).catch(() => undefined))?.ok) await delay(20, undefined, {signal: deadline})
  return url
}
