import {randomUUID} from 'node:crypto'
import {mkdir, readFile, rm, symlink, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {buildContainerfile} from '../../src/developer/build-containerfile.ts'
import {hostArchitecture} from '../../src/images/base-node.ts'
import {layerDescriptor, writeImage} from '../../src/images/build-image.ts'
import {packLayer} from '../../src/images/layer.ts'
import {textEntry} from '../../src/images/layer-entries.ts'
import {layoutBlobPath} from '../../src/images/layout.ts'

const {signal} = new AbortController()
/** Where `CI` is set, a tool that is missing fails its test. */
const lacksBuildah = (await execa('buildah', ['--version'], {reject: false})).failed && process.env.CI === undefined
const podman = (await execa('sh', ['-c', 'command -v podman'], {reject: false})).stdout
const before = {PATH: process.env.PATH, CONTAINERS_STORAGE_CONF: process.env.CONTAINERS_STORAGE_CONF}
let folder: string

beforeEach(async () => {
  // The tool makes a name of a base's path, and names are in lower case.
  folder = join(tmpdir(), `creo-containerfile-${randomUUID()}`)
  await mkdir(join(folder, 'web'), {recursive: true})
  await writeFile(join(folder, 'web/server'), 'x', {mode: 0o755})
  // A storage of this test alone.
  const storage = ['[storage]', 'driver = "vfs"', `graphroot = "${folder}/graph"`, `runroot = "${folder}/run"`]
  await writeFile(join(folder, 'storage.conf'), `${storage.join('\n')}\n`)
  process.env.CONTAINERS_STORAGE_CONF = join(folder, 'storage.conf')
})

afterEach(async () => {
  for (const [key, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[key]
    else process.env[key] = value
  }
  await rm(folder, {recursive: true, force: true})
})

test.skipIf(lacksBuildah)('a Containerfile becomes an image for this machine, the same for the same files', async () => {
  await writeFile(join(folder, 'web/Containerfile'), 'FROM scratch\nCOPY server /app/server\nENTRYPOINT ["/app/server"]\n')
  const image = await build('one')
  expect(image.platforms).toMatchObject([{architecture: hostArchitecture()}])
  const manifest = JSON.parse(await readFile(layoutBlobPath(join(folder, 'one'), image.platforms[0]!.base.manifestDigest), 'utf8'))
  const config = JSON.parse(await readFile(layoutBlobPath(join(folder, 'one'), manifest.config.digest), 'utf8'))
  expect(config.config.Entrypoint).toEqual(['/app/server'])
  expect(await build('two')).toMatchObject({digest: image.digest})
})

test.skipIf(podman === '' && process.env.CI === undefined)(
  'podman alone builds upon a base that tells no history of its layers, as those of creo do not',
  async () => {
    const base = join(folder, 'base')
    await mkdir(base)
    const layer = await packLayer({entries: [textEntry('base', 'x')], compression: 'zstd', layoutDirectory: base, signal})
    const rootfs = {type: 'layers' as const, diff_ids: [layer.diffId]}
    const config = {architecture: hostArchitecture(), os: 'linux', rootfs, config: {}}
    await writeImage({layoutDirectory: base, images: [{config, layers: [layerDescriptor(layer)]}]})
    await writeFile(join(folder, 'web/Containerfile'), `FROM oci:${base}\nCOPY server /app/server\nCMD ["/app/server"]\n`)
    await symlink(podman, join(folder, 'podman'))
    process.env.PATH = folder
    expect((await build('one')).platforms).toMatchObject([{architecture: hostArchitecture()}])
  }
)

test.skipIf(lacksBuildah)('what the tool says of a step that fails is passed on', async () => {
  await writeFile(join(folder, 'web/Containerfile'), 'FROM scratch\nCOPY nothing /app/server\n')
  await expect(build('one')).rejects.toMatchObject({
    code: 'build_failed',
    message: expect.stringMatching(/could not build the image: .*nothing/)
  })
})

test('a machine with neither tool is told what to install, and a Containerfile that is not there is named', async () => {
  await expect(build('one')).rejects.toMatchObject({message: `There is no Containerfile at ${join(folder, 'web/Containerfile')}.`})
  await writeFile(join(folder, 'web/Containerfile'), 'FROM scratch\n')
  process.env.PATH = folder
  await expect(build('one')).rejects.toMatchObject({code: 'build_failed', hint: 'Install one of them: apt-get install buildah'})
})

function build(name: string): ReturnType<typeof buildContainerfile> {
  const source = join(folder, 'web')
  const options = {containerfile: join(source, 'Containerfile'), source, layoutDirectory: join(folder, name)}
  return buildContainerfile({...options, dataDirectory: join(folder, 'data'), signal})
}
