import {afterAll, beforeAll, expect, it, vi} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import {changeSettings} from '../../src/developer/app-settings.ts'
import type {AccountContext} from '../../src/developer/context.ts'
import {release} from '../../src/developer/release.ts'
import {setSecret} from '../../src/developer/secrets.ts'
import {type Person, startWorld} from '../coordinator/coordinator-world.ts'

const AT_ONCE = 4
const name = {org: 'colibris', app: 'garden'}
const steps = {step: <T>(_name: string, work: (note: (text: string) => void) => Promise<T>) => work(() => undefined)}
const {signal} = new AbortController()
let world: Awaited<ReturnType<typeof startWorld>>
let org: Person
const contexts: AccountContext[] = []

beforeAll(async () => {
  world = await startWorld()
  org = await world.actors.colibris()
})
afterAll(async () => {
  await Promise.all(contexts.map(({client}) => client.close()))
  await world.close()
})

/** As a process of its own has it. */
function context(): AccountContext {
  const {url: coordinatorUrl, networkId, coordinatorKey} = world.actors
  const client = createClient({coordinatorUrl, networkId, coordinatorKey, now: Date.now, key: org.key, account: org.id, signal})
  const opened = {name: 'test', coordinatorUrl, networkId, coordinatorKey, client, account: org, key: org.key}
  contexts.push(opened)
  return opened
}
const setVariable = (variable: string, by = context()) =>
  changeSettings({
    context: by,
    name,
    only: undefined,
    change: (spec) => ({...spec, env: {...spec.env, [variable]: 'set'}}),
    waitMs: 0,
    steps,
    signal
  })

it('several people set variables at once, and none of them is lost', async () => {
  const variables = Array.from({length: AT_ONCE}, (_, index) => `V${index}`)
  await Promise.all(variables.map((variable) => setVariable(variable)))
  const {revisions} = await context().client.app(name.org, name.app)
  const serving = revisions.find(({percent}) => percent === 100)
  expect(Object.keys(serving?.spec.env ?? {}).sort()).toEqual(variables)
})

it('a secret that is set while variables are keeps them, and its version', async () => {
  const {client} = context()
  await setSecret(context(), name, {name: 'KEY', value: Buffer.from('one')}, signal)
  await changeSettings({
    context: context(),
    name,
    only: undefined,
    change: (spec) => ({...spec, secrets: ['KEY']}),
    waitMs: 0,
    steps,
    signal
  })
  await Promise.all([setSecret(context(), name, {name: 'KEY', value: Buffer.from('two')}, signal), setVariable('W0'), setVariable('W1')])
  const {revisions} = await client.app(name.org, name.app)
  const serving = revisions.find(({percent}) => percent === 100)
  expect(serving?.spec.env).toMatchObject({W0: 'set', W1: 'set'})
  expect(serving?.spec.secretVersions).toEqual({KEY: 2})
})

it('a deploy that began before somebody else’s is refused, and says what to do', async () => {
  const {client} = context()
  const {revisions, routes} = await client.app(name.org, name.app)
  const [before] = revisions.filter(({percent}) => percent === 100)
  if (before === undefined) throw new Error('nothing serves')
  await setVariable('LATER')
  const {function: fn, imageDigest, spec, id: expected} = before
  const revision = {function: fn, imageDigest, spec: {...spec, env: {}}, expected}
  await expect(release({context: context(), name, routes, revisions: [revision], waitMs: 0, steps, signal})).rejects.toMatchObject({
    code: 'revision_changed',
    message: expect.stringContaining(`when this was begun they went to ${expected}`),
    hint: expect.stringContaining('creo releases')
  })
})

it('a deploy of other routes is not taken back by somebody who read the old ones and sets a variable or a secret', async () => {
  const other = context()
  const deployRoutes = async (path: string) => {
    const {revisions, routes} = await other.client.app(name.org, name.app)
    const serving = revisions.filter(({percent}) => percent === 100)
    const same = serving.map(({function: fn, imageDigest, spec, id: expected}) => ({function: fn, imageDigest, spec, expected}))
    const added = [...routes, {path, function: serving[0]?.function ?? ''}]
    await release({context: other, name, routes: added, revisions: same, waitMs: 0, steps, signal})
  }
  const overtaken = (path: string): AccountContext => {
    const by = context()
    const read = by.client.app.bind(by.client)
    vi.spyOn(by.client, 'app').mockImplementationOnce(async (...of) => {
      const seen = await read(...of)
      await deployRoutes(path)
      return seen
    })
    return by
  }
  await setVariable('BESIDE', overtaken('/variable'))
  await setSecret(overtaken('/secret'), name, {name: 'KEY', value: Buffer.from('three')}, signal)
  const {revisions, routes} = await other.client.app(name.org, name.app)
  expect(routes.map(({path}) => path)).toEqual(expect.arrayContaining(['/variable', '/secret']))
  const serving = revisions.find(({percent}) => percent === 100)
  expect(serving?.spec).toMatchObject({env: {BESIDE: 'set'}, secretVersions: {KEY: 3}})
})
