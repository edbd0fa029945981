import {chmod, mkdir, readFile, stat, symlink, utimes, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {gunzipSync} from 'node:zlib'
import {execa} from 'execa'
import * as tar from 'tar'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {hostArchitecture, nodeBase} from '../../src/images/base-node.ts'
import {buildImage} from '../../src/images/build-image.ts'
import {layoutBlobPath} from '../../src/images/layout.ts'
import {scratchDirectory} from './registry-world.ts'

const {signal} = new AbortController()
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
    const {appLayer} = await build('app', 'out')
    const entries = await listLayer('out', appLayer.digest)
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
      base,
      folder: join(scratch.path, 'app'),
      argv: ['node', 'server.mjs'],
      env: {GREETING: 'hi'},
      architecture: hostArchitecture(),
      layoutDirectory,
      signal
    })
    const config = JSON.parse(await readFile(layoutBlobPath(layoutDirectory, image.configDigest), 'utf8'))
    expect(config.config).toMatchObject({Entrypoint: ['node', 'server.mjs'], WorkingDir: '/app', User: '65532:65532'})
    expect(config.config.Env).toContain('GREETING=hi')
    expect(config.rootfs.diff_ids).toHaveLength(2)
    expect(image.sizeBytes).toBeGreaterThan(20 * 2 ** 20)
  })

  test.skipIf(lacksSkopeo)('writes a layout that skopeo reads', async () => {
    await writeFunction('app')
    const image = await build('app', 'out')
    const {stdout} = await execa('skopeo', ['inspect', `oci:${image.layoutDirectory}`])
    expect(JSON.parse(stdout)).toMatchObject({Digest: image.indexDigest, Architecture: 'amd64', Layers: [image.appLayer.digest]})
  })
})

async function writeFunction(name: string): Promise<void> {
  const folder = join(scratch.path, name)
  await mkdir(join(folder, 'lib'), {recursive: true})
  await writeFile(join(folder, 'server.mjs'), 'console.log(1)')
  await writeFile(join(folder, 'lib/data.json'), '{}')
  await writeFile(join(folder, 'run.sh'), '#!/bin/sh\n', {mode: 0o755})
}

function build(folder: string, layout: string, buildSignal: AbortSignal = signal): ReturnType<typeof buildImage> {
  return buildImage({
    base: 'scratch',
    folder: join(scratch.path, folder),
    argv: ['/app/run.sh'],
    env: {},
    architecture: 'amd64',
    layoutDirectory: join(scratch.path, layout),
    signal: buildSignal
  })
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
