import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {request} from 'node:http'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {afterEach, expect, it} from 'vitest'
import {signRequest} from '../../src/identity/http-signatures.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {openBlobStore} from '../../src/images/blob-store.ts'
import {digestOf} from '../../src/images/digest.ts'
import {creo} from '../support/processes.ts'
import {Actors, makeNetwork, temporaryFolder} from './coordinator-world.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function folder(): Promise<string> {
  const made = await temporaryFolder()
  cleanups.push(made.remove)
  return made.path
}

/** The real program on a real folder, ready. */
async function serve(directory: string): Promise<{child: ChildProcess; url: string}> {
  const args = ['coordinator', 'serve', '--data', directory, '--listen', '127.0.0.1:0', '--json']
  const child = spawn(process.execPath, [CREO, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {...process.env, CREO_LOG_LEVEL: 'error'}
  })
  cleanups.push(() => kill(child, 'SIGKILL'))
  const [line] = (await once(createInterface({input: child.stdout as NodeJS.ReadableStream}), 'line')) as [string]
  const ready = JSON.parse(line) as {ready: true; role: string; pid: number; urls: {api: string}}
  expect(ready).toMatchObject({ready: true, role: 'coordinator', pid: child.pid})
  return {child, url: ready.urls.api}
}

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const ended = once(child, 'exit')
  child.kill(signal)
  const [code] = (await ended) as [number | null]
  return code
}

it('keeps everything it acknowledged when it is killed while commands arrive, and carries out a repeated one once', async () => {
  const directory = await folder()
  const made = await makeNetwork(directory)
  const first = await serve(directory)
  const actors = new Actors({...made, url: first.url})
  const acknowledged: string[] = []
  const commands = Array.from({length: 400}, (_, index) => {
    const key = generateKeyPair()
    const body = {type: 'account.create', name: `person-${index}`, keys: [{publicKey: key.publicKey, roles: ['owner']}]} as const
    return {name: body.name, command: actors.command('new', key, {...body, keys: [{publicKey: key.publicKey, roles: ['owner']}]})}
  })
  const send = async (worker: number): Promise<void> => {
    for (let index = worker; index < commands.length; index += 4) {
      const {name, command} = commands[index]!
      if ((await actors.send(command)).status === 'applied') acknowledged.push(name)
      if (acknowledged.length >= 60) first.child.kill('SIGKILL')
    }
  }
  await Promise.allSettled([0, 1, 2, 3].map(send))
  expect(acknowledged.length).toBeGreaterThanOrEqual(60)
  expect(acknowledged.length).toBeLessThan(commands.length)

  const second = await serve(directory)
  const later = new Actors({...made, url: second.url})
  const found = await Promise.all(acknowledged.map(async (name) => (await later.ask('GET', `/v1/accounts/${name}`)).status))
  expect(new Set(found)).toEqual(new Set([200]))
  const repeated = await Promise.all(commands.slice(0, 100).map(({command}) => later.send(command)))
  expect(new Set(repeated.map((answer) => answer.status))).toEqual(new Set(['applied']))
  expect(await kill(second.child, 'SIGTERM')).toBe(0)
})

it('stops at SIGTERM although readers wait for news, and leaves its folder to the next', async () => {
  const directory = await folder()
  const made = await makeNetwork(directory)
  const {child, url} = await serve(directory)
  const actors = new Actors({...made, url})
  const {version} = (await actors.ask('GET', '/v1/tables/routes')).json as unknown as {version: number}
  const waiting = actors.ask('GET', `/v1/tables/routes?after=${version}&waitMs=30000`)
  await actors.ask('GET', '/healthz')
  const code = await kill(child, 'SIGTERM')
  expect(code).toBe(0)
  expect((await waiting).status).toBe(204)
  const next = await serve(directory)
  expect(await kill(next.child, 'SIGTERM')).toBe(0)
})

it('stops at SIGTERM although a client that downloads has stopped reading', async () => {
  const directory = await folder()
  const made = await makeNetwork(directory)
  const blob = Buffer.alloc(64 * 2 ** 20)
  await (await openBlobStore(join(directory, 'registry'))).write(blob)
  const {child, url} = await serve(directory)
  const {key} = await new Actors({...made, url}).person('ann')
  const address = `${url}/v2/ann/app/api/blobs/${digestOf(blob)}`
  const headers = signRequest({method: 'GET', url: address, key, nowMs: Date.now()})
  const asked = request(address, {headers, agent: false}).end()
  const [answer] = (await once(asked, 'response')) as [import('node:http').IncomingMessage]
  const cut = once(answer, 'error')
  expect(answer.statusCode).toBe(200)
  expect(await kill(child, 'SIGTERM')).toBe(0)
  answer.resume()
  await cut
})

it('says plainly why it cannot start: no network, a folder in use, a port that is taken, a bad address', async () => {
  const directory = await folder()
  const serveArgs = (listen: string) => ['coordinator', 'serve', '--data', directory, '--listen', listen, '--json']
  const failed = async (args: string[]) => {
    const {code, stdout} = await creo(args)
    return [code, JSON.parse(stdout).error.code]
  }
  expect(await failed(serveArgs('127.0.0.1:0'))).toEqual([4, 'not_found'])
  await makeNetwork(directory)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const {port} = taken.address() as {port: number}
  expect(await failed(serveArgs(`127.0.0.1:${port}`))).toEqual([1, 'port_taken'])
  taken.close()
  expect(await failed(serveArgs('7700'))).toEqual([2, 'usage'])
  await serve(directory)
  expect(await failed(serveArgs('127.0.0.1:0'))).toEqual([3, 'conflict'])
})

it('refuses after a kill the signed requests that came before it', async () => {
  const directory = await folder()
  const made = await makeNetwork(directory)
  const first = await serve(directory)
  const ann = await new Actors({...made, url: first.url}).person('ann')
  const path = '/v1/apps/ann/site/logs'
  const signedAs = () => signRequest({method: 'GET', url: `http://coordinator.test${path}`, key: ann.key, nowMs: Date.now()})
  const answered = async (url: string, headers: Record<string, string>): Promise<number | undefined> => {
    const asked = request(new URL(path, url), {headers: {...headers, host: 'coordinator.test'}})
    asked.end()
    const [answer] = await once(asked, 'response')
    answer.resume()
    return answer.statusCode
  }
  const [taken, kept] = [signedAs(), signedAs()]
  expect([await answered(first.url, taken), await answered(first.url, taken)]).toEqual([404, 409])
  await kill(first.child, 'SIGKILL')
  const second = await serve(directory)
  expect([await answered(second.url, taken), await answered(second.url, kept)]).toEqual([409, 404])
})
