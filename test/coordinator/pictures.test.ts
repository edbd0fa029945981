import {randomBytes} from 'node:crypto'
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest'
import {Network} from '../../src/app-client/network.ts'
import {PictureStore} from '../../src/coordinator/picture-store.ts'
import {sha256Hex} from '../../src/identity/keys.ts'
import {type Actors, type Person, startWorld, temporaryFolder} from './coordinator-world.ts'

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAQAAAADAQMAAACOOjyFAAAAA1BMVEULa0q7L8jZAAAAC0lEQVQI12NgAAEAAAYAAWb0yWwAAAAASUVORK5CYII=',
  'base64'
)
const digestOf = (bytes: Uint8Array): string => `sha256:${sha256Hex(bytes)}`
const CHUNK_BYTES = 12

/** The same picture with so many bytes of chance in a chunk that nobody shows. */
function png(size: number): Buffer {
  const extra = randomBytes(size - PNG.length - CHUNK_BYTES)
  const head = Buffer.alloc(8)
  head.writeUInt32BE(extra.length)
  head.write('prVt', 4, 'latin1')
  return Buffer.concat([PNG.subarray(0, 33), head, extra, Buffer.alloc(4), PNG.subarray(33)])
}

describe('over the wire', () => {
  let world: Awaited<ReturnType<typeof startWorld>>
  let actors: Actors
  let org: Person
  let ann: Person
  beforeAll(async () => {
    world = await startWorld()
    ;({actors} = world)
    org = await actors.colibris()
    ann = await actors.person('ann')
  })
  afterAll(() => world.close())
  const store = (bytes: Buffer, by = org) =>
    actors.signed('POST', '/v1/orgs/colibris/pictures', by.key, {body: {content: bytes.toString('base64')}})

  it('an offer has a picture that anybody reads by its digest, another one later, and then none', async () => {
    expect((await store(PNG)).json).toEqual({digest: digestOf(PNG), type: 'image/png', width: 4, height: 3, bytes: PNG.length})
    const terms = {item: 'Tea', priceMinor: 100, stock: 5, where: 'in-store'} as const
    const {seq} = await actors.apply(org.id, org.key, {
      type: 'offer.add',
      incentive: 'colibris/LEAF',
      offer: {...terms, picture: digestOf(PNG)}
    })
    const network = await Network.connect({url: actors.url, networkId: actors.networkId})
    const offer = async (after: number) => {
      await actors.ask('GET', '/v1/offers', {headers: {'creo-after': String(after)}})
      return (await network.offers('colibris/LEAF')).find(({id}) => id === `off_${seq}`)
    }
    expect(await offer(seq)).toMatchObject({picture: digestOf(PNG)})
    expect(await network.picture(digestOf(PNG))).toEqual({type: 'image/png', bytes: new Uint8Array(PNG)})
    const other = png(1000)
    await store(other)
    const edit = (changes: object) => actors.apply(org.id, org.key, {type: 'offer.edit', offer: `off_${seq}`, ...changes})
    expect(await offer((await edit({picture: digestOf(other)})).seq)).toMatchObject({picture: digestOf(other)})
    expect(await offer((await edit({stock: 4})).seq)).toMatchObject({picture: digestOf(other), stock: 4})
    expect(await offer((await edit({picture: null})).seq)).not.toHaveProperty('picture')
  })

  it('what is no picture, not the org’s, too large or not there is refused', async () => {
    expect((await store(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'))).json.error?.code).toBe('invalid_input')
    expect((await store(PNG.subarray(0, 80))).json.error?.code).toBe('invalid_input')
    expect((await store(png(64 * 1024 + 1))).json.error?.code).toMatch(/invalid_input|payload_too_large/)
    expect((await store(png(70_000))).status).toBeGreaterThanOrEqual(400)
    expect((await store(PNG, ann)).json.error?.code).toBe('forbidden')
    const missing = await actors.ask('GET', `/v1/pictures/${digestOf(Buffer.from('x'))}`)
    expect([missing.status, missing.json.error?.code]).toEqual([404, 'not_found'])
    expect((await actors.ask('GET', '/v1/pictures/sha256:1')).json.error?.code).toBe('invalid_input')
    const network = await Network.connect({url: actors.url, networkId: actors.networkId})
    await expect(network.picture(digestOf(Buffer.from('x')))).rejects.toMatchObject({code: 'not_found'})
  })
})

describe('the store', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let store: PictureStore
  const open = (): PictureStore => new PictureStore(`${folder.path}/pictures.sqlite`)
  beforeEach(async () => {
    folder = await temporaryFolder()
    store = open()
  })
  afterEach(async () => {
    store.close()
    await folder.remove()
  })
  const put = (org: string, bytes: Buffer, nowMs = 0) => store.store({org, bytes, nowMs}).digest

  it('keeps what an offer of the org names and what came lately, also over a kill, and nothing else', () => {
    const [named, lately, gone] = [png(500), png(500), png(500)]
    for (const bytes of [named, gone]) put('colibris', bytes, 10)
    put('shop', named, 10)
    put('colibris', lately, 30)
    // Nothing is closed: another process reads what is on disk.
    const after = open()
    expect(after.collect([{org: 'colibris', digest: digestOf(named)}], {before: 20})).toBe(2)
    expect(after.find(digestOf(named))?.content).toEqual(named)
    expect(after.find(digestOf(lately))?.content).toEqual(lately)
    expect(after.find(digestOf(gone))).toBeUndefined()
    after.close()
  })

  it('takes 16 MiB of an org, the same picture once', () => {
    const size = 64 * 1024
    const first = png(size)
    for (let turn = 0; turn < 3; turn += 1) put('colibris', first)
    for (let count = 1; count < 256; count += 1) put('colibris', png(size))
    expect(() => put('colibris', png(size))).toThrow(expect.objectContaining({code: 'rejected'}))
    expect(put('colibris', first)).toBe(digestOf(first))
    expect(put('shop', png(size))).toMatch(/^sha256:/)
  })
})
