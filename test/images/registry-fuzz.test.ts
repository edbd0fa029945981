import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import fc from 'fast-check'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {digestOf} from '../../src/images/digest.ts'
import {encodeJson, MEDIA_TYPE} from '../../src/images/oci.ts'
import {descriptorOf, RegistryAsks, type Said} from './registry-asks.ts'
import {type RegistryWorld, scratchDirectory, startRegistry} from './registry-world.ts'

/** Of each of the two tests. */
const BODIES = process.env.CREO_TEST_TIER === 'long' ? 50_000 : 1_500
const STEPS_MAX = 20
/** A run has half of the most steps on average; in the long tier runs are bigger. */
const RUNS = Math.ceil(BODIES / (STEPS_MAX / 2))
const repo = 'colibris/fuzz'
const {signal} = new AbortController()
let scratch: Awaited<ReturnType<typeof scratchDirectory>>
let world: RegistryWorld
let asks: RegistryAsks

beforeAll(async () => {
  scratch = await scratchDirectory()
  world = await startRegistry(join(scratch.path, 'registry'))
  asks = new RegistryAsks(world.url)
})
afterAll(async () => {
  await world.close()
  await scratch.remove()
})

/** Everything in the registry's directory goes once nobody counts on it. */
async function mustLeaveNothing(): Promise<void> {
  await world.registry.sessions.close()
  for await (const repository of world.registry.catalog.repositories()) {
    for (const tag of (await world.registry.catalog.tags(repository)) ?? []) await world.registry.catalog.untag(repository, tag)
  }
  await world.registry.collect({graceMs: -60_000, signal})
  const entries = await readdir(world.store.directory, {recursive: true, withFileTypes: true})
  expect(entries.filter((entry) => entry.isFile()).map((entry) => entry.name)).toEqual([])
}

const bytes = fc.uint8Array({maxLength: 64}).map((array) => Buffer.from(array))
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({do: fc.constant('chunk' as const), bytes, from: fc.constantFrom('next', 'unsaid', 'gap', 'before', 'junk')})
  },
  {
    weight: 1,
    arbitrary: fc.record({do: fc.constant('end' as const), bytes, digest: fc.constantFrom('right', 'right', 'wrong', 'missing', 'junk')})
  },
  {weight: 1, arbitrary: fc.record({do: fc.constant('ask' as const)})},
  {weight: 1, arbitrary: fc.record({do: fc.constant('cancel' as const)})}
)

/** An upload as it should be: what has come, and where it is; undefined before it begins. */
interface Upload {
  at: string
  content: Buffer
}

test('whatever order chunks come in, an upload is exactly what was taken, or nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, {minLength: 1, maxLength: STEPS_MAX}), async (steps) => {
      let upload: Upload | undefined
      for (const one of steps) {
        upload ??= {at: String((await asks.ask('POST', `${repo}/blobs/uploads/`)).headers.location), content: Buffer.alloc(0)}
        if (one.do === 'ask') expectState(await asks.ask('GET', upload.at), 204, upload)
        else if (one.do === 'chunk') await sendChunk(upload, one)
        else upload = await endUpload(upload, one)
      }
      if (upload) await asks.ask('DELETE', upload.at)
    }),
    {numRuns: RUNS}
  )
  await mustLeaveNothing()
})

function expectState({status, headers}: Said, expected: number, {content}: Upload): void {
  expect([status, headers.range]).toEqual([expected, `0-${Math.max(0, content.length - 1)}`])
}

async function sendChunk(upload: Upload, chunk: {bytes: Buffer; from: string}): Promise<void> {
  const {length} = upload.content
  const starts: Record<string, number> = {next: length, gap: length + 1, before: length - 1}
  const start = starts[chunk.from]
  const isSaid = start !== undefined && start >= 0 && chunk.bytes.length > 0
  const range = isSaid ? `${start}-${start + chunk.bytes.length - 1}` : chunk.from === 'junk' ? 'bytes one-two' : undefined
  const said = await asks.ask('PATCH', upload.at, chunk.bytes, range === undefined ? {} : {'content-range': range})
  if (range !== undefined && !isSaid) return expect(said).toMatchObject({status: 400, code: 'BLOB_UPLOAD_INVALID'})
  if (isSaid && start !== length) return expectState(said, 416, upload)
  upload.content = Buffer.concat([upload.content, chunk.bytes])
  expectState(said, 202, upload)
}

async function endUpload(upload: Upload, end: {do: 'end' | 'cancel'; bytes?: Buffer; digest?: string}): Promise<Upload | undefined> {
  if (end.do === 'cancel') {
    expect((await asks.ask('DELETE', upload.at)).status).toBe(204)
    return undefined
  }
  const content = Buffer.concat([upload.content, end.bytes ?? Buffer.alloc(0)])
  const digests: Record<string, string> = {
    right: digestOf(content),
    wrong: digestOf(Buffer.concat([content, content, Buffer.from('x')])),
    junk: 'sha256:x'
  }
  const digest = digests[end.digest ?? '']
  const said = await asks.ask('PUT', digest === undefined ? upload.at : `${upload.at}?digest=${digest}`, end.bytes ?? null)
  if (end.digest === 'right') {
    expect(said.status).toBe(201)
    expect(await world.store.read(digestOf(content), content.length)).toEqual(content)
    return undefined
  }
  expect(said).toMatchObject({status: 400, code: 'DIGEST_INVALID'})
  return end.digest === 'wrong' ? undefined : upload
}

const descriptor = fc.constantFrom(descriptorOf('here', MEDIA_TYPE.layerTar), descriptorOf('not here', MEDIA_TYPE.layerTar), {
  ...descriptorOf('here', MEDIA_TYPE.config),
  size: 3
})
const wholeManifest = fc.record(
  {
    schemaVersion: fc.constant(2),
    mediaType: fc.constant(MEDIA_TYPE.manifest),
    config: descriptor,
    layers: fc.array(descriptor, {maxLength: 3}),
    subject: descriptor,
    artifactType: fc.string({minLength: 1, maxLength: 20}),
    annotations: fc.dictionary(fc.string({maxLength: 10}), fc.string({maxLength: 10}))
  },
  {requiredKeys: ['schemaVersion', 'mediaType', 'config', 'layers']}
)
const manifestBytes = fc.oneof(
  {weight: 2, arbitrary: wholeManifest.map(encodeJson)},
  {weight: 1, arbitrary: fc.tuple(wholeManifest, fc.nat(200)).map(([manifest, at]) => encodeJson(manifest).subarray(0, at))},
  {weight: 1, arbitrary: fc.json().map((text) => Buffer.from(text))},
  {weight: 1, arbitrary: bytes},
  {
    weight: 1,
    arbitrary: fc.record({mediaType: fc.constant(MEDIA_TYPE.index), manifests: fc.array(fc.anything(), {maxLength: 3})}).map(encodeJson)
  }
)
const reference = fc.constantFrom('v1', 'v2', '-bad', 'sha256:bad', '..', '%2e%2e', 'a%2fb', `sha256:${'0'.repeat(64)}`)
const type = fc.constantFrom(MEDIA_TYPE.manifest, MEDIA_TYPE.manifest, MEDIA_TYPE.index, 'text/plain', 'application/json; charset=x')

test('whatever is sent as a manifest is taken or refused in the form of the specification, and what is taken is whole', async () => {
  const hereOnce = async (): Promise<unknown> => asks.pushBlob(repo, 'here')
  await hereOnce()
  let taken = 0
  await fc.assert(
    fc.asyncProperty(manifestBytes, reference, type, async (body, name, contentType) => {
      const said = await asks.ask('PUT', `${repo}/manifests/${name}`, body, {'content-type': contentType})
      if (said.status === 201) {
        taken += 1
        expect(digestOf((await asks.ask('GET', String(said.headers.location))).text)).toBe(digestOf(body))
        return
      }
      expect([said.status, said.code]).toEqual([
        expect.toSatisfy((status) => status >= 400 && status < 500),
        expect.stringMatching(/^[A-Z_]+$/)
      ])
    }),
    {numRuns: BODIES}
  )
  expect(taken).toBeGreaterThan(0)
  await mustLeaveNothing()
})
