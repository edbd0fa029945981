import {createServer, type Server, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {afterEach, describe, expect, it} from 'vitest'
import {manifestSchema} from '../../src/core/manifest.ts'
import type {LogLine} from '../../src/core/protocol/api.ts'
import type {Readiness, RevisionReadiness} from '../../src/core/protocol/app-reports.ts'
import {appAddress, askApp} from '../../src/developer/addresses.ts'
import {awaitFirstAnswers, type FirstAnswersOptions} from '../../src/developer/first-answers.ts'
import {type Asked, hopelessTrouble} from '../../src/developer/start-trouble.ts'

const signal = new AbortController().signal
let server: Server | undefined
afterEach(async () => {
  server?.closeAllConnections()
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)))
  server = undefined
})

/** A gateway on loopback whose n-th answer is `answer(n)`. */
async function gateway(answer: (count: number, response: ServerResponse) => void): Promise<string> {
  let count = 0
  server = createServer((_, response) => {
    count += 1
    answer(count, response)
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function refuse(response: ServerResponse, code: string, status: number): void {
  const error = {code, message: 'Nothing runs it.', hint: 'Wait.'}
  response.writeHead(status, {'content-type': 'application/json', 'creo-error': code}).end(JSON.stringify({error}))
}

function answerAs(response: ServerResponse, revision: string): void {
  response.writeHead(200, {'creo-revision': revision}).end('ok')
}

function both(revision: string): ReadonlyMap<string, Asked> {
  return new Map(['site', 'api'].map((name) => [name, {function: name, revision, port: 8080}]))
}

function seen(changes: Partial<RevisionReadiness> = {}): Readiness {
  return {
    next: 9,
    revisions: [
      {
        revision: 'rev_64',
        function: 'site',
        nodes: [],
        shortOfPay: null,
        refusals: [],
        otherArchitecture: 0,
        tooSmall: 0,
        failures: [],
        ...changes
      }
    ]
  }
}

function failure(node: string, reason: string, exitCode?: number): LogLine {
  const said = exitCode === undefined ? {reason} : {reason, exitCode}
  return {seq: 1, node, revision: 'rev_64', instance: `i-${node}`, atMs: 1, line: 'It failed.', failure: said}
}

const manifest = manifestSchema.parse({
  app: 'shop',
  org: 'colibris',
  routes: [
    {path: '/api', function: 'api'},
    {path: '/', function: 'site'}
  ],
  functions: {site: {source: './site'}, api: {source: './api'}}
})

describe('an address of an app', () => {
  it.each([
    ['http://localhost:7801', 'http://localhost:7801/@shop--colibris'],
    ['http://127.0.0.1:7801/', 'http://127.0.0.1:7801/@shop--colibris'],
    ['https://apps.example', 'https://shop--colibris.apps.example'],
    ['https://apps.example:8443', 'https://shop--colibris.apps.example:8443']
  ])('at %s is %s', (publicUrl, expected) => {
    expect(appAddress(publicUrl, manifest)).toBe(expected)
  })
})

describe('asking an app', () => {
  it('tells what the gateway says from what the function says', async () => {
    const url = await gateway((count, response) => {
      if (count === 1) refuse(response, 'no_instance', 503)
      else response.writeHead(503, {'content-type': 'application/json'}).end('{"error":{"code":"no_instance","message":"mine"}}')
    })
    await expect(askApp({url, signal})).rejects.toMatchObject({code: 'no_instance', message: 'Nothing runs it.', hint: 'Wait.'})
    expect(await askApp({url, signal})).toMatchObject({status: 503})
  })

  it('says that no gateway answers', async () => {
    const url = await gateway(() => undefined)
    await new Promise((resolve) => server?.close(resolve))
    await expect(askApp({url, signal})).rejects.toMatchObject({code: 'unavailable', hint: expect.stringContaining('creo up')})
  })
})

describe('first answers', () => {
  const {routes} = manifest
  const look: FirstAnswersOptions['look'] = async () => seen()
  const happens: FirstAnswersOptions['happens'] = async function* () {}
  const patient = {routes, look, happens, waitMs: 20_000, signal}

  it('come from every routed function, asked until it speaks for itself', async () => {
    const address = await gateway((count, response) => (count < 4 ? refuse(response, 'not_found', 404) : answerAs(response, 'rev_64')))
    const {answers} = await awaitFirstAnswers({...patient, deployed: both('rev_64'), addressOf: () => address})
    expect(answers).toMatchObject([
      {function: 'site', url: `${address}/`, status: 200},
      {function: 'api', url: `${address}/api`, status: 200}
    ])
  })

  it('are those of the new revision, not of the one that it replaces', async () => {
    const address = await gateway((count, response) => answerAs(response, count < 4 ? 'rev_64' : 'rev_128'))
    const {answers} = await awaitFirstAnswers({...patient, deployed: both('rev_128'), addressOf: () => address})
    expect(answers).toMatchObject([{status: 200}, {status: 200}])
    const {trouble} = await awaitFirstAnswers({...patient, deployed: both('rev_192'), addressOf: () => address, waitMs: 300})
    expect(trouble).toMatchObject({reason: 'timeout', message: expect.stringContaining('rev_128')})
  })

  it('are not waited for any longer once every node has failed with a function', async () => {
    const address = await gateway((_, response) => refuse(response, 'no_instance', 503))
    const failures = [failure('node_a', 'crash', 3), failure('node_b', 'crash', 139)]
    const looks = [seen({nodes: ['node_a', 'node_b'], failures: failures.slice(0, 1)}), seen({nodes: ['node_a', 'node_b'], failures})]
    const answered = awaitFirstAnswers({
      ...patient,
      deployed: both('rev_64'),
      addressOf: () => address,
      look: async () => looks.shift() ?? seen()
    })
    expect((await answered).trouble).toMatchObject({
      function: 'site',
      reason: 'crash',
      node: 'node_b',
      instance: 'i-node_b',
      exitCode: 139,
      signal: 'SIGSEGV',
      message: 'It was killed by SIGSEGV (exit code 139) before it listened on port 8080.'
    })
  })

  it('are given up when something is told to have happened, without a look before', async () => {
    const address = await gateway((_, response) => refuse(response, 'no_instance', 503))
    const failures = [failure('node_a', 'crash', 3), failure('node_a', 'crash', 3)]
    const failed = Promise.withResolvers<void>()
    const looks: boolean[] = []
    let hasFailed = false
    const answered = awaitFirstAnswers({
      ...patient,
      // Shorter than the time after which it would look by itself.
      waitMs: 4500,
      deployed: both('rev_64'),
      addressOf: () => address,
      happens: async function* () {
        await failed.promise
        yield 'instance'
        await new Promise(() => undefined)
      },
      look: async () => {
        looks.push(hasFailed)
        return hasFailed ? seen({nodes: ['node_a'], failures}) : seen()
      }
    })
    hasFailed = true
    failed.resolve()
    expect((await answered).trouble).toMatchObject({reason: 'crash', node: 'node_a', isFinal: true})
    expect(looks).toEqual([true])
  })

  it.each<[string, string, Partial<RevisionReadiness>, string, RegExp]>([
    [
      'a function that crashed on one of its nodes',
      'no_instance',
      {nodes: ['node_a', 'node_b'], failures: [failure('node_a', 'crash', 3)]},
      'crash',
      /exit code 3/
    ],
    [
      'a function that ran out of memory',
      'no_instance',
      {nodes: ['node_a'], failures: [failure('node_a', 'out_of_memory', 137)]},
      'out_of_memory',
      /memory limit/
    ],
    [
      'a function that does not listen',
      'no_instance',
      {nodes: ['node_a'], failures: [failure('node_a', 'not_listening_yet')]},
      'port_not_opened',
      /port 8080/
    ],
    [
      'a health path that is not answered yet',
      'no_instance',
      {nodes: ['node_a'], failures: [failure('node_a', 'not_healthy_yet')]},
      'unhealthy',
      /health path/
    ],
    [
      'what a newer node has a word for',
      'no_instance',
      {nodes: ['node_a'], failures: [failure('node_a', 'unheard_of')]},
      'unheard_of',
      /It failed/
    ],
    ['a lease without a start', 'no_instance', {nodes: ['node_a']}, 'timeout', /no_instance/],
    ['an empty budget at the gateway', 'reward_pool_empty', {nodes: ['node_a']}, 'pool_empty', /Nothing runs it/],
    ['an empty pool', 'no_instance', {shortOfPay: 'pool_empty'}, 'pool_empty', /pool/],
    ['a day that is spent', 'no_instance', {shortOfPay: 'day_spent'}, 'day_spent', /today/],
    ['a network without nodes', 'no_instance', {}, 'no_node', /No node is there/],
    ['nodes that want something else', 'no_instance', {refusals: [{reason: 'No.', nodes: 2}]}, 'no_node', /2 nodes are told: No\./]
  ])('that do not come in time say why: %s', async (_, code, changes, reason, message) => {
    const address = await gateway((_count, response) => refuse(response, code, 503))
    const said = await awaitFirstAnswers({
      ...patient,
      deployed: new Map([...both('rev_64')].slice(0, 1)),
      addressOf: () => address,
      waitMs: 100,
      look: async () => seen(changes)
    })
    expect(said.trouble).toMatchObject({reason, message: expect.stringMatching(message)})
  })

  it.each<[string, Partial<RevisionReadiness>, string | undefined]>([
    ['no node that is there takes it', {candidates: 0, refusals: [{reason: 'No.', nodes: 1}]}, 'no_node'],
    ['no node is there', {candidates: 0}, 'no_node'],
    ['every node that would take it is too small', {candidates: 0, tooSmall: 1, refusals: [{reason: 'No.', nodes: 1}]}, 'too_large'],
    ['no node has its architecture', {candidates: 0, otherArchitecture: 1, refusals: [{reason: 'No.', nodes: 1}]}, 'wrong_architecture'],
    ['the pool is empty', {shortOfPay: 'pool_empty', candidates: 1}, 'pool_empty'],
    ['a node could take it', {candidates: 1}, undefined],
    ['the coordinator does not know yet who is there', {}, undefined],
    ['a node has it', {candidates: 0, nodes: ['node_a']}, undefined]
  ])('cannot come, or can, as the coordinator knows it: %s', (_, changes, reason) => {
    const [own] = seen(changes).revisions
    expect(own && hopelessTrouble({function: 'site', revision: 'rev_64', port: 8080}, own)?.reason).toBe(reason)
  })

  it('are not waited for to the end where none can come, which is said meanwhile, unless somebody said how long', async () => {
    const address = await gateway((_count, response) => refuse(response, 'no_instance', 503))
    const notes: string[] = []
    const ended: string[] = []
    const looksOn = Promise.withResolvers<void>()
    const waiting = {
      ...patient,
      waitMs: 600_000,
      deployed: both('rev_64'),
      addressOf: () => address,
      note: (text: string) => notes.push(text)
    }
    const stop = new AbortController()
    const begin = (name: string, options: Partial<FirstAnswersOptions>) =>
      awaitFirstAnswers({...waiting, signal: stop.signal, ...options}).then((answers) => {
        ended.push(name)
        return answers
      })
    const others = [
      begin('who said how long', {look: async () => seen({candidates: 0})}),
      begin('what can come', {
        givesUp: true,
        look: async () => {
          if (ended.length > 0) looksOn.resolve()
          return seen({candidates: 1})
        }
      })
    ]
    const {trouble} = await begin('what cannot come', {givesUp: true, look: async () => seen({candidates: 0})})
    await looksOn.promise
    expect([trouble?.reason, ended]).toEqual(['no_node', ['what cannot come']])
    expect(notes).toContain('site: no node takes it')
    stop.abort()
    await Promise.allSettled(others)
  })

  it('are given up at the end of the time, also when a gateway holds the request for longer', async () => {
    const address = await gateway(() => undefined)
    const {trouble} = await awaitFirstAnswers({...patient, deployed: both('rev_64'), addressOf: () => address, waitMs: 100})
    expect(trouble).toMatchObject({reason: 'no_node'})
  })
})
