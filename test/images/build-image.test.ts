import {chmod, mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {gunzipSync} from 'node:zlib'
import {execa} from 'execa'
import * as tar from 'tar'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {hostArchitecture, nodeBase} from '../../src/images/base-node.ts'
import {type BuildImageOptions, buildImage} from '../../src/images/build-image.ts'
import {LayerCache} from '../../src/images/layer-cache.ts'
import {layoutBlobPath} from '../../src/images/layout.ts'
import {scratchDirectory} from './registry-world.ts'

const {signal} = new AbortController()
const BOTH = [
  {architecture: 'amd64', base: 'scratch'},
  {architecture: 'arm64', base: 'scratch'}
] as const
/** Where `CI` is set, a tool that is missing fails its test. */
const lacksSkopeo = (await execa('skopeo', ['--version'], {reject: false})).failed && process.env.CI === undefined
let scratch: Awaited<ReturnType<typeof scratchDirectory>>

beforeEach(async () => {
  scratch = await scratchDirectory()
})

afterEach(async () => {
  await scratch.remove()
})

describe('building an image', () => {
  test('gives the same digest for the same files, whoever made them and whenever', async () => {
    await writeFunction('first')
    await writeFunction('second')
    await utimes(join(scratch.path, 'second/server.mjs'), 1, 1)
    await chmod(join(scratch.path, 'second/server.mjs'), 0o600)
    expect((await build('first', 'one')).indexDigest).toBe((await build('second', 'two')).indexDigest)
  })

  test('gives another digest when one byte differs', async () => {
    await writeFunction('first')
    await writeFunction('second')
    await writeFile(join(scratch.path, 'second/server.mjs'), 'console.log(2)')
    expect((await build('first', 'one')).indexDigest).not.toBe((await build('second', 'two')).indexDigest)
  })

  test('puts the folder in order below /app, owned by root, without what .creoignore names', async () => {
    await writeFunction('app')
    const folder = join(scratch.path, 'app')
    await mkdir(join(folder, '.git'))
    await mkdir(join(folder, 'node_modules/.cache'), {recursive: true})
    for (const name of [
      '.git/config',
      'node_modules/.cache/x',
      'a.log',
      'lib/b.log',
      'lib/keep.log',
      'secret.env',
      `${'long'.repeat(40)}.txt`
    ]) {
      await writeFile(join(folder, name), name)
    }
    await writeFile(join(folder, '.creoignore'), '# logs\n*.log\n!keep.log\n/secret.env\n')
    await symlink('lib/data.json', join(folder, 'link'))
    await chmod(join(folder, 'run.sh'), 0o777)
    const {layers} = await build('app', 'out')
    const entries = await listLayer('out', layers[0]!.digest)
    expect(entries).toEqual([
      'app/ 755 0:0',
      'app/lib/ 755 0:0',
      'app/lib/data.json 644 0:0',
      'app/lib/keep.log 644 0:0',
      'app/link 777 0:0',
      `app/${'long'.repeat(40)}.txt 644 0:0`,
      'app/node_modules/ 755 0:0',
      'app/run.sh 755 0:0',
      'app/server.mjs 644 0:0'
    ])
  })

  test('refuses a link that leaves the folder and says which', async () => {
    await writeFunction('app')
    await symlink('../../etc/passwd', join(scratch.path, 'app/lib/outside'))
    await expect(build('app', 'out')).rejects.toMatchObject({code: 'build_failed', message: expect.stringContaining('lib/outside')})
  })

  test('refuses a folder that is not there and a pipe in it', async () => {
    await expect(build('nowhere', 'out')).rejects.toMatchObject({code: 'build_failed'})
    await writeFunction('app')
    await execa('mkfifo', [join(scratch.path, 'app/pipe')])
    await expect(build('app', 'out')).rejects.toMatchObject({code: 'build_failed', message: expect.stringContaining('pipe')})
  })

  test('leaves no half-written blob when it is aborted', async () => {
    await writeFunction('app')
    const aborted = AbortSignal.abort()
    await expect(build('app', 'out', aborted)).rejects.toThrow()
    await expect(stat(join(scratch.path, 'out/index.json'))).rejects.toMatchObject({code: 'ENOENT'})
  })

  test('assembles the Node base once, keeps it, and puts a function on top', async () => {
    await writeFunction('app')
    const cacheDirectory = join(scratch.path, 'cache')
    const base = await nodeBase({cacheDirectory, signal})
    const {mtimeMs} = await stat(base.layoutDirectory)
    expect(await nodeBase({cacheDirectory, signal})).toEqual(base)
    expect((await stat(base.layoutDirectory)).mtimeMs).toBe(mtimeMs)
    const layoutDirectory = join(scratch.path, 'out')
    const image = await buildImage({
      platforms: [{architecture: hostArchitecture(), base}],
      folder: join(scratch.path, 'app'),
      argv: ['node', 'server.mjs'],
      env: {GREETING: 'hi'},
      layoutDirectory,
      signal
    })
    const config = JSON.parse(await readFile(layoutBlobPath(layoutDirectory, image.images[0]!.configDigest), 'utf8'))
    expect(config.config).toMatchObject({Entrypoint: ['node', 'server.mjs'], WorkingDir: '/app', User: '65532:65532'})
    expect(config.config.Env).toContain('GREETING=hi')
    expect(config.rootfs.diff_ids).toHaveLength(2)
    expect(image.sizeBytes).toBeGreaterThan(20 * 2 ** 20)
  })

  test('packs again only what has changed, and dependencies are a layer of their own', async () => {
    await writeFunction('app')
    const folder = join(scratch.path, 'app')
    await mkdir(join(folder, 'node_modules/left-pad'), {recursive: true})
    await writeFile(join(folder, 'node_modules/left-pad/index.js'), 'module.exports = 1')
    const cache = new LayerCache(join(scratch.path, 'layers'))
    const shown = async (layout: string) => {
      const {layers} = await build('app', layout, signal, {cache})
      return layers.map(({part, cached, digest}) => ({part, cached, digest}))
    }
    const [first, code] = await shown('one')
    expect([first, code]).toMatchObject([
      {part: 'node_modules', cached: false},
      {part: '.', cached: false}
    ])
    expect(await shown('two')).toEqual([
      {...first, cached: true},
      {...code, cached: true}
    ])
    await writeFile(join(folder, 'server.mjs'), 'console.log(2)')
    expect(await shown('three')).toMatchObject([
      {...first, cached: true},
      {part: '.', cached: false, digest: expect.not.stringContaining(code!.digest)}
    ])
  })

  test('packs a layer anew when what was kept of it is damaged', async () => {
    await writeFunction('app')
    const kept = join(scratch.path, 'layers')
    const cache = new LayerCache(kept)
    const first = await build('app', 'one', signal, {cache})
    const [name] = await readdir(kept)
    // The kept file and the layout's are one file on disk.
    await rm(join(scratch.path, 'one'), {recursive: true})
    await writeFile(join(kept, name!), 'damaged')
    const second = await build('app', 'two', signal, {cache})
    expect(second.layers).toMatchObject([{cached: false, digest: first.layers[0]!.digest}])
    expect(await build('app', 'three', signal, {cache})).toMatchObject({layers: [{cached: true}]})
  })

  test('makes one index for both architectures, each with the program that was compiled for it', async () => {
    await writeFunction('app')
    const folder = join(scratch.path, 'app')
    for (const [name, machine] of [
      ['linux-amd64', 62],
      ['linux-arm64', 183]
    ] as const) {
      await mkdir(join(folder, name))
      await writeFile(join(folder, name, 'server'), elfFor(machine), {mode: 0o755})
    }
    const image = await build('app', 'out', signal, {platforms: BOTH, argv: ['/app/server']})
    expect(image.layers.map(({part, architecture}) => [part, architecture])).toEqual([
      ['.', undefined],
      ['linux-amd64', 'amd64'],
      ['linux-arm64', 'arm64']
    ])
    expect(image.images.map(({architecture}) => architecture)).toEqual(['amd64', 'arm64'])
    expect(await listLayer('out', image.layers[2]!.digest)).toEqual(['app/ 755 0:0', 'app/server 755 0:0'])
    const layersOf = async (at: number) => {
      const manifest = JSON.parse(await readFile(layoutBlobPath(image.layoutDirectory, image.images[at]!.manifestDigest), 'utf8'))
      return manifest.layers.map(({digest}: {digest: string}) => digest)
    }
    expect(await layersOf(0)).toEqual([image.layers[0]!.digest, image.layers[1]!.digest])
    expect(await layersOf(1)).toEqual([image.layers[0]!.digest, image.layers[2]!.digest])
  })

  test('leaves out the architecture that a program is not compiled for, and refuses one in the wrong folder', async () => {
    await writeFunction('app')
    const folder = join(scratch.path, 'app')
    await writeFile(join(folder, 'server'), elfFor(183), {mode: 0o755})
    const options = {platforms: BOTH, argv: ['./server']}
    expect((await build('app', 'one', signal, options)).images).toMatchObject([{architecture: 'arm64'}])
    await expect(build('app', 'two', signal, {argv: ['./server']})).rejects.toMatchObject({
      code: 'build_failed',
      message: '"server" is compiled for none of amd64, for which the image would be.'
    })
    await mkdir(join(folder, 'linux-amd64'))
    await writeFile(join(folder, 'linux-amd64/server'), elfFor(183))
    await expect(build('app', 'three', signal, options)).rejects.toMatchObject({
      code: 'build_failed',
      message: '"linux-amd64/server" is a program for arm64.'
    })
  })

  test.skipIf(lacksSkopeo)('writes a layout that skopeo reads', async () => {
    await writeFunction('app')
    const image = await build('app', 'out')
    const {stdout} = await execa('skopeo', ['inspect', `oci:${image.layoutDirectory}`])
    expect(JSON.parse(stdout)).toMatchObject({Digest: image.indexDigest, Architecture: 'amd64', Layers: [image.layers[0]?.digest]})
  })
})

async function writeFunction(name: string): Promise<void> {
  const folder = join(scratch.path, name)
  await mkdir(join(folder, 'lib'), {recursive: true})
  await writeFile(join(folder, 'server.mjs'), 'console.log(1)')
  await writeFile(join(folder, 'lib/data.json'), '{}')
  await writeFile(join(folder, 'run.sh'), '#!/bin/sh\n', {mode: 0o755})
}

function build(
  folder: string,
  layout: string,
  buildSignal: AbortSignal = signal,
  changes: Partial<BuildImageOptions> = {}
): ReturnType<typeof buildImage> {
  return buildImage({
    platforms: [{architecture: 'amd64', base: 'scratch'}],
    folder: join(scratch.path, folder),
    argv: ['/app/run.sh'],
    env: {},
    layoutDirectory: join(scratch.path, layout),
    signal: buildSignal,
    ...changes
  })
}

/** The first bytes of a 64-bit program of Linux, by elf(5). */
function elfFor(machine: number): Buffer {
  const head = Buffer.alloc(64)
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  head.writeUInt16LE(2, 16)
  head.writeUInt16LE(machine, 18)
  return head
}

async function listLayer(layout: string, digest: Parameters<typeof layoutBlobPath>[1]): Promise<string[]> {
  const blob = await readFile(layoutBlobPath(join(scratch.path, layout), digest))
  expect(blob.subarray(4, 8)).toEqual(Buffer.alloc(4))
  const plain = join(scratch.path, 'layer.tar')
  await writeFile(plain, gunzipSync(blob))
  const entries: string[] = []
  await tar.list({
    file: plain,
    onReadEntry: (entry) => {
      entries.push(`${entry.path} ${entry.mode?.toString(8)} ${entry.uid}:${entry.gid}`)
    }
  })
  return entries
}
