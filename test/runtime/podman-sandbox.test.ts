import {once} from 'node:events'
import {mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {type IncomingMessage, request} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {json} from 'node:stream/consumers'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {createPodmanRuntime} from '../../plugins/runtime-podman/src/podman-runtime.ts'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import type {Digest} from '../../src/images/digest.ts'
import {readLayoutBlob, writeLayoutBlob} from '../../src/images/layout.ts'
import {encodeJson, MEDIA_TYPE, parseManifest} from '../../src/images/oci.ts'
import {DirectoryChanges} from '../../src/runtime/directory-changes.ts'
import type {ContainerRuntime, ImageLayout, InstanceSpec, RuntimeInstance} from '../../src/runtime/port.ts'
import {buildEchoImage} from '../support/echo-image.ts'

const PATIENCE_MS = 60_000
const MIB = 2 ** 20
const LIMITS = {memoryBytes: 256 * MIB, cpuMillis: 1000, pidsMax: 64, scratchBytes: 4 * MIB, logBytes: MIB}
const patience = () => AbortSignal.timeout(PATIENCE_MS)

describe('podman, given a hostile image,', () => {
  let directory: string
  let runtime: ContainerRuntime
  let image: ImageLayout
  let instance: RuntimeInstance

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'creo-sandbox-'))
    image = await makeHostile(await buildEchoImage(join(directory, 'layout'), patience()))
    runtime = await open()
    await runtime.prepare(image, patience())
    instance = await runtime.start(specOf('hostile'), patience())
    await instance.ready(patience())
  })
  afterAll(async () => {
    for (const left of await runtime.list(patience())) await left.stop({graceMs: 0}, patience())
    await runtime.prune([], patience())
    await runtime.close()
    await rm(directory, {recursive: true})
  })

  const open = async (): Promise<ContainerRuntime> =>
    createPodmanRuntime(await runtimeTools({stateDirectory: join(directory, 'state'), env: process.env, log: () => undefined}))

  const specOf = (id: string): InstanceSpec => {
    return {id, imageDigest: image.manifestDigest, argv: [], env: {}, port: 8080, limits: LIMITS, labels: {}}
  }

  test('denies every device in what the OCI runtime reads', async () => {
    const {linux} = await bundle(directory)
    expect(linux.resources.devices[0]).toEqual({allow: false, access: 'rwm'})
  })

  test('hands nothing of its annotations to the OCI runtime', async () => {
    const {annotations} = await bundle(directory)
    expect(Object.keys(annotations ?? {}).filter((key) => /^(org\.systemd|run\.oci)\./.test(key))).toEqual([])
  })

  test('runs no health check of it', async () => {
    const shown = await podman(directory, ['inspect', 'creo-hostile', '--format', '{{json .Config.Healthcheck}}'])
    expect(JSON.parse(shown)).toEqual({Test: ['NONE']})
  })

  test('gives it no watcher of files, since the whole machine has 128', async () => {
    expect(await ask(instance, '/watch?path=/tmp')).toBe('ENOSYS')
  })

  test('starts an id once, also when asked twice at the same time, and lists no half of it', async () => {
    const first = runtime.start(specOf('twice'), patience())
    const listed = runtime.list(patience())
    await expect(runtime.start(specOf('twice'), patience())).rejects.toMatchObject({code: 'conflict'})
    expect((await listed).map(({id}) => id)).not.toContain('twice')
    await (await first).stop({graceMs: 0}, patience())
  })

  test('prepares it again after a crash in the middle, and leaves no container behind', async () => {
    const file = join(directory, 'state/images', `${image.manifestDigest.slice('sha256:'.length)}.json`)
    const {imageId} = JSON.parse(await readFile(file, 'utf8')) as {imageId: string}
    await podman(directory, ['create', '--name', `creo-map-${image.manifestDigest.slice('sha256:'.length)}`, '--net', 'none', imageId, 'x'])
    await rm(file)
    const later = await open()
    await later.prepare(image, patience())
    await later.close()
    expect(await podman(directory, ['ps', '--all', '--format', '{{.Names}}'])).toBe('creo-hostile')
  })

  test('evicts other images though a power cut left half a note about one', async () => {
    const notes = join(directory, 'state/images')
    await writeFile(join(notes, `${'0'.repeat(64)}.json`), '{"imag')
    await runtime.prune([image.manifestDigest], patience())
    expect(await readdir(notes)).toEqual([`${image.manifestDigest.slice('sha256:'.length)}.json`])
  })

  test('evicts it for good once nothing uses it, however often it was prepared', async () => {
    for (const left of await runtime.list(patience())) await left.stop({graceMs: 0}, patience())
    await runtime.prune([], patience())
    expect(await podman(directory, ['images', '--all', '--quiet'])).toBe('')
  })
})

test('where the kernel gives no watcher, a directory is looked at again and again', async () => {
  const changes = new DirectoryChanges('/nonexistent/directory')
  await changes.next(patience())
  await changes.next(patience())
  await expect(changes.next(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  changes.close()
})

/** The same layers under a configuration with a health check and a manifest with annotations that runtimes obey. */
async function makeHostile(image: ImageLayout): Promise<ImageLayout> {
  const {layoutDirectory} = image
  const parsed = parseManifest(await readLayoutBlob(layoutDirectory, image.manifestDigest as Digest))
  if (parsed.kind !== 'manifest') throw new Error('not one image')
  const config = JSON.parse((await readLayoutBlob(layoutDirectory, parsed.manifest.config.digest)).toString())
  const Healthcheck = {Test: ['CMD-SHELL', 'touch /tmp/healthy'], Interval: 1_000_000_000}
  const sick = await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.config, encodeJson({...config, config: {...config.config, Healthcheck}}))
  const annotations = {'org.systemd.property.DeviceAllow': "[('char-*', 'rwm')]", 'run.oci.keep_original_groups': '1'}
  const manifest = encodeJson({...parsed.manifest, config: sick, annotations})
  const {digest} = await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.manifest, manifest)
  return {layoutDirectory, manifestDigest: digest}
}

interface Bundle {
  readonly annotations?: Readonly<Record<string, string>>
  readonly linux: {readonly resources: {readonly devices: readonly {readonly allow: boolean; readonly access?: string}[]}}
}

async function bundle(directory: string): Promise<Bundle> {
  const containers = join(directory, 'state/storage/overlay-containers')
  const names = (await readdir(containers, {withFileTypes: true})).filter((entry) => entry.isDirectory()).map(({name}) => name)
  expect(names).toHaveLength(1)
  return JSON.parse(await readFile(join(containers, names[0] ?? '', 'userdata/config.json'), 'utf8')) as Bundle
}

/** podman's own command line over the storage of the runtime under test. */
async function podman(directory: string, args: readonly string[]): Promise<string> {
  const state = join(directory, 'state')
  const run = /runroot = "(.*)\/run"/.exec(await readFile(join(state, 'storage.conf'), 'utf8'))?.[1] ?? ''
  const CONTAINERS_CONF = process.env.CONTAINERS_CONF ?? join(state, 'containers.conf')
  const env = {CONTAINERS_CONF, CONTAINERS_STORAGE_CONF: join(state, 'storage.conf')}
  const places = ['--root', join(state, 'storage'), '--runroot', join(run, 'run'), '--tmpdir', join(run, 'tmp')]
  return (await execa('podman', [...places, ...args], {env})).stdout
}

async function ask(instance: RuntimeInstance, path: string): Promise<unknown> {
  const sent = request({socketPath: instance.socketPath, path, agent: false, signal: patience()}).end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  return json(answer)
}
