import {type ChildProcess, spawn} from 'node:child_process'
import {mkdir, mkdtemp, readdir, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {expect, onTestFinished, test} from 'vitest'
import {z} from 'zod'
import {ask} from '../../src/compose/ask.ts'
import {ended} from '../support/processes.ts'
import {leftBehind} from './left-behind.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
const TIMEOUT_MS = 180_000
const never = new AbortController().signal
const eventSchema = z.looseObject({
  event: z.string(),
  url: z.string().optional(),
  line: z.string().optional(),
  path: z.string().optional(),
  error: z.looseObject({code: z.string()}).optional()
})
type Seen = z.output<typeof eventSchema>

const server = (version: string): string => `console.log('version ${version} starts')
require('node:http').createServer((_, response) => response.end('${version} ' + process.env.API_KEY)).listen(process.env.PORT)\n`

/** `creo dev` as a process of its own, whose events are waited for in turn. */
function startDev(home: string): {readonly child: ChildProcess; readonly next: (what: (seen: Seen) => boolean) => Promise<Seen>} {
  const env = {...process.env, TMPDIR: home, CREO_CONFIG_DIR: join(home, 'config')}
  const args = [CREO, 'dev', join(home, 'app'), '--port', '0', '--secrets', join(home, '.env'), '--json']
  const child = spawn(process.execPath, args, {env, stdio: ['ignore', 'pipe', 'pipe']})
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await ended(child)
  })
  const lines = createInterface({input: child.stdout})[Symbol.asyncIterator]()
  const next = async (what: (seen: Seen) => boolean): Promise<Seen> => {
    for (;;) {
      const {value, done} = await lines.next()
      if (done === true) throw new Error('creo dev ended before that happened')
      const seen = eventSchema.safeParse(JSON.parse(value))
      if (seen.success && what(seen.data)) return seen.data
    }
  }
  return {child, next}
}

const networks = async (home: string): Promise<readonly string[]> => (await readdir(home)).filter((name) => name.startsWith('creo-dev-'))

test('creo dev takes up changes and survives mistakes, and neither Ctrl-C nor a kill leaves anything for long', {
  timeout: TIMEOUT_MS
}, async () => {
  const home = await mkdtemp(join(tmpdir(), 'creo-home-'))
  onTestFinished(() => rm(home, {recursive: true, force: true}))
  const app = join(home, 'app')
  const manifest = `app: shop\norg: acme\nroutes: [{path: /, function: site}]
functions:\n  site: {source: ./fn, command: [node, server.cjs], secrets: [API_KEY], rewards: [{incentive: acme/LEAF, perMillion: {}, dailyBudget: "5"}]}\n`
  await mkdir(join(app, 'fn'), {recursive: true})
  await writeFile(join(home, '.env'), 'API_KEY="open sesame"\n')
  await writeFile(join(app, 'fn', 'server.cjs'), server('one'))
  await writeFile(join(app, 'creo.yaml'), manifest)

  const killed = startDev(home)
  await killed.next(({event}) => event === 'answers')
  const kill = ended(killed.child)
  killed.child.kill('SIGKILL')
  await kill
  const [left] = await networks(home)

  const {child, next} = startDev(home)
  const {url = ''} = await next(({event}) => event === 'answers')
  expect(await networks(home)).not.toContain(left)
  expect((await ask(`${url}page`, {signal: never})).text).toBe('one open sesame')
  await next(({event, path}) => event === 'request' && path === '/page')

  await writeFile(join(app, 'creo.yaml'), manifest.replace('source', 'sauce'))
  await next(({event}) => event === 'failed')
  expect((await ask(url, {signal: never})).text).toBe('one open sesame')

  await writeFile(join(app, 'fn', 'server.cjs'), `${server('two')}const = 1\n`)
  await writeFile(join(app, 'creo.yaml'), manifest)
  const crash = new Set<string>()
  await next(({event, line, error}) => {
    if (event === 'log' && line?.startsWith('SyntaxError') === true) crash.add('its words')
    if (event === 'failed' && error?.code === 'deploy_failed') crash.add('its end')
    return crash.size === 2
  })
  expect((await ask(url, {signal: never})).text).toBe('one open sesame')

  await writeFile(join(app, 'fn', 'server.cjs'), server('two'))
  await writeFile(join(app, 'creo.yaml'), manifest)
  await next(({event}) => event === 'answers')
  expect((await ask(url, {signal: never})).text).toBe('two open sesame')
  await next(({event, line}) => event === 'log' && line === 'version two starts')

  const end = ended(child)
  child.kill('SIGINT')
  expect((await end).code).toBe(0)
  expect(await networks(home)).toEqual([])
  expect(await leftBehind(home)).toEqual([])
})
