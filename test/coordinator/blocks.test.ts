import {afterAll, beforeAll, expect, test} from 'vitest'
import type {BlockTarget} from '../../src/core/protocol/blocks.ts'
import {signRequest} from '../../src/identity/http-signatures.ts'
import {digestOf} from '../../src/images/digest.ts'
import {MEDIA_TYPE} from '../../src/images/oci.ts'
import {descriptorOf, type Said} from '../images/registry-asks.ts'
import {type Actors, type Node, type Person, startWorld} from './coordinator-world.ts'

/** What `Actors.deploy` deploys. */
const IMAGE: BlockTarget = {kind: 'image', name: `sha256:${'a'.repeat(64)}`}
let world: Awaited<ReturnType<typeof startWorld>>
let actors: Actors
let org: Person
let node: Node

beforeAll(async () => {
  world = await startWorld()
  actors = world.actors
  org = await actors.colibris()
  node = await actors.node(await actors.person('ann'))
  await actors.heartbeat(node)
})
afterAll(() => world.close())

function operate(action: 'block' | 'unblock', target: BlockTarget): Promise<{seq: number}> {
  return actors.apply('operator', world.operator, {type: `operator.${action}`, target, reason: 'It mines for others.'})
}

/** The node's table, once it is as told. */
async function tableWith(leases: 'some' | 'none'): Promise<void> {
  for (let after = -1; ; ) {
    const {status, json} = await actors.ask('GET', `/v1/tables/nodes/${node.id}?after=${after}&waitMs=20000`)
    if (status !== 200) throw new Error(`the table did not change: ${status}`)
    const table = JSON.parse(String((json as {body?: string}).body)) as {leases: unknown[]}
    if (table.leases.length > 0 === (leases === 'some')) return
    after = Number(json.version)
  }
}

async function signed(
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body: string | undefined,
  type: string
): Promise<Pick<Said, 'status' | 'message'>> {
  const url = new URL(`/v2/${path}`, actors.url).href
  const headers = signRequest({method, url, key: org.key, nowMs: Date.now(), ...(body === undefined ? {} : {body})})
  const answer = await fetch(url, {method, headers: {...headers, 'content-type': type}, ...(body === undefined ? {} : {body})})
  const text = await answer.text()
  return {status: answer.status, message: text.startsWith('{"errors"') ? JSON.parse(text).errors[0].message : undefined}
}

function pushBlob(content: string): Promise<Pick<Said, 'status' | 'message'>> {
  return signed('POST', `colibris/garden/api/blobs/uploads/?digest=${digestOf(content)}`, content, 'application/octet-stream')
}

test.each<BlockTarget>([IMAGE, {kind: 'account', name: 'colibris'}])(
  'leases of a blocked $kind end within seconds, and come back with it',
  async (target) => {
    await tableWith('some')
    await operate('block', target)
    await tableWith('none')
    await operate('unblock', target)
    await tableWith('some')
  }
)

test('a blocked account pushes nothing, and a blocked image is neither taken nor given', async () => {
  const layer = descriptorOf('code', MEDIA_TYPE.layerTar)
  const config = descriptorOf('{}', MEDIA_TYPE.config)
  const manifest = JSON.stringify({schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers: [layer]})
  const image: BlockTarget = {kind: 'image', name: digestOf(manifest)}
  const put = () => signed('PUT', `colibris/garden/api/manifests/v1`, manifest, MEDIA_TYPE.manifest)
  const get = () => signed('GET', `colibris/garden/api/manifests/v1`, undefined, MEDIA_TYPE.manifest)
  await operate('block', {kind: 'account', name: 'colibris'})
  expect(await pushBlob('code')).toEqual({
    status: 403,
    message: expect.stringContaining('blocked the account colibris: It mines for others.')
  })
  await operate('unblock', {kind: 'account', name: 'colibris'})
  for (const content of ['code', '{}']) expect((await pushBlob(content)).status).toBe(201)
  expect((await put()).status).toBe(201)
  await operate('block', image)
  const refused = {status: 403, message: expect.stringContaining(`blocked the image ${image.name}`)}
  expect([await put(), await get()]).toEqual([refused, refused])
  await operate('unblock', image)
  await operate('block', {kind: 'image', name: layer.digest})
  expect([await pushBlob('code'), await put()]).toMatchObject([{status: 403}, {status: 403}])
  await operate('unblock', {kind: 'image', name: layer.digest})
})

test('an image of several architectures with a layer that is blocked is not deployed, and what of it is leased ends within seconds', async () => {
  const parts = [descriptorOf('{}', MEDIA_TYPE.config), descriptorOf('a miner', MEDIA_TYPE.layerTar)]
  for (const content of ['{}', 'a miner']) expect((await pushBlob(content)).status).toBe(201)
  const [config, layer] = parts
  const manifest = JSON.stringify({schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers: [layer]})
  const platform = {os: 'linux', architecture: 'amd64'}
  const manifests = [{...descriptorOf(manifest, MEDIA_TYPE.manifest), platform}]
  const index = JSON.stringify({schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests})
  const put = (text: string, type: string) => signed('PUT', `colibris/garden/api/manifests/${digestOf(text)}`, text, type)
  expect([await put(manifest, MEDIA_TYPE.manifest), await put(index, MEDIA_TYPE.index)]).toMatchObject([{status: 201}, {status: 201}])
  await operate('block', IMAGE)
  await tableWith('none')
  const {result} = await actors.deploy(org, true, digestOf(index))
  const [{revision}] = result.revisions as [{revision: string}]
  const functions = [{function: 'api', traffic: [{revision, percent: 100}]}]
  await tableWith('some')
  for (const name of parts.map((part) => part.digest)) {
    await operate('block', {kind: 'image', name})
    await tableWith('none')
    await expect(actors.deploy(org, true, digestOf(index))).rejects.toThrow(
      `blocked ${name}, which is in the image ${digestOf(index)}: It mines`
    )
    // Nor by going back to it.
    await expect(actors.apply(org.id, org.key, {type: 'traffic.set', app: 'garden', functions})).rejects.toThrow(`blocked ${name}, which`)
    await operate('unblock', {kind: 'image', name})
    await tableWith('some')
  }
  await operate('unblock', IMAGE)
})

test('what is blocked, and the record of all that ever was, is there for everybody to read', async () => {
  const {seq} = await operate('block', {kind: 'domain', name: 'evil.example'})
  const entry = {kind: 'domain', name: 'evil.example', reason: 'It mines for others.', by: world.operator.keyId, atMs: expect.any(Number)}
  const at = {headers: {'creo-after': String(seq)}}
  expect((await actors.ask('GET', '/v1/blocks', at)).json).toEqual({blocks: [{...entry, seq, action: 'block'}]})
  const after = {headers: {'creo-after': String((await operate('unblock', {kind: 'domain', name: 'evil.example'})).seq)}}
  expect((await actors.ask('GET', '/v1/blocks', after)).json).toEqual({blocks: []})
  const {blocks} = (await actors.ask('GET', '/v1/blocks/history', after)).json as unknown as {blocks: {action: string}[]}
  expect(blocks.slice(0, 2)).toMatchObject([
    {...entry, action: 'unblock'},
    {...entry, action: 'block'}
  ])
})
