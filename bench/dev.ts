import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {setTimeout as delay} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {z} from 'zod'
import {ask} from '../src/compose/ask.ts'
import {figure} from './form.ts'
import type {Bench} from './run.ts'

const ROUNDS = 11
/** What a round leaves behind, an old instance and a receipt, is over by then. */
const REST_MS = 2000
const ASK_EVERY_MS = 10
const ROUND_TIMEOUT_MS = 60_000
const CREO = fileURLToPath(new URL('../bin/run.js', import.meta.url))
const MANIFEST = `app: shop\norg: acme\nroutes: [{path: /, function: site}]
functions: {site: {source: ./fn, command: [node, server.cjs]}}\n`
const server = (version: string): string =>
  `require('node:http').createServer((_, response) => response.end('${version}')).listen(process.env.PORT)\n`
const eventSchema = z.looseObject({event: z.string(), url: z.string().optional()})

/** From a saved file of a Node function to the first answer of the new version, under `creo dev` with real processes and a real container. */
export const measure: Bench['measure'] = async ({signal, say}) => {
  const home = await mkdtemp(join(tmpdir(), 'creo-bench-dev-'))
  const source = join(home, 'app', 'fn', 'server.cjs')
  await mkdir(join(home, 'app', 'fn'), {recursive: true})
  await writeFile(join(home, 'app', 'creo.yaml'), MANIFEST)
  await writeFile(source, server('v0'))
  const env = {...process.env, TMPDIR: home, CREO_CONFIG_DIR: join(home, 'config'), CREO_DATA_DIR: join(home, 'data')}
  const startedAtMs = performance.now()
  const child = spawn(process.execPath, [CREO, 'dev', join(home, 'app'), '--port', '0', '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'ignore']
  })
  const ended = once(child, 'exit')
  try {
    const url = await firstUrl(createInterface({input: child.stdout}), signal)
    const firstMs = performance.now() - startedAtMs
    const samples: number[] = []
    for (let round = 1; round <= ROUNDS; round += 1) {
      await delay(REST_MS, undefined, {signal})
      const savedAtMs = performance.now()
      await writeFile(source, server(`v${round}`))
      await answersWith(url, `v${round}`, AbortSignal.any([signal, AbortSignal.timeout(ROUND_TIMEOUT_MS)]))
      samples.push(performance.now() - savedAtMs)
      say(`Round ${round} of ${ROUNDS} took ${Math.round(samples.at(-1) ?? 0)} ms.`)
    }
    return [
      figure({name: 'rebuild.node_ms', unit: 'ms', samples, goal: {atMost: 1000}}),
      figure({name: 'first_answer_ms', unit: 'ms', samples: [firstMs]})
    ]
  } finally {
    child.kill('SIGINT')
    await ended
    await rm(home, {recursive: true, force: true})
  }
}

/** Where the app answers, once it does. The lines after it are read as well, so that its writer is never held up. */
async function firstUrl(lines: ReturnType<typeof createInterface>, signal: AbortSignal): Promise<string> {
  const {promise, resolve, reject} = Promise.withResolvers<string>()
  lines.on('line', (line) => {
    if (!line.startsWith('{"')) return
    const {event, url} = eventSchema.parse(JSON.parse(line))
    if (event === 'answers' && url !== undefined) resolve(url)
  })
  lines.once('close', () => reject(new Error('creo dev ended before it answered')))
  signal.addEventListener('abort', () => reject(signal.reason), {once: true})
  return promise
}

async function answersWith(url: string, version: string, signal: AbortSignal): Promise<void> {
  while ((await ask(url, {signal}).catch(() => undefined))?.text !== version) await delay(ASK_EVERY_MS, undefined, {signal})
}
