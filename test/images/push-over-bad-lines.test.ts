import {randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {mkdir, writeFile} from 'node:fs/promises'
import {createServer, type IncomingMessage, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {afterEach, describe, expect, test} from 'vitest'
import {buildImage} from '../../src/images/build-image.ts'
import {CHUNK_BYTES_FIRST, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, nextChunkBytes} from '../../src/images/chunk-size.ts'
import {pushImage} from '../../src/images/registry-client.ts'
import {answerTimeoutMs} from '../../src/images/registry-http.ts'
import {scratchDirectory} from './registry-world.ts'

const {signal} = new AbortController()
const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** Sizes of 20 chunks in a row, and whether each was answered in time, over a line of this speed. */
function sendOver(bytesPerSecond: number): {sizes: number[]; inTime: boolean} {
  const sizes = [CHUNK_BYTES_FIRST]
  let inTime = true
  for (let bytes = CHUNK_BYTES_FIRST; sizes.length < 20; sizes.push(bytes)) {
    const tookMs = (bytes / bytesPerSecond) * 1000
    inTime &&= tookMs < answerTimeoutMs(bytes)
    bytes = nextChunkBytes(bytes, tookMs)
  }
  return {sizes, inTime}
}

describe('a chunk of a push', () => {
  test.each([
    ['100 Mbit/s', 12_500_000, CHUNK_BYTES_MAX],
    ['1 Mbit/s', 125_000, CHUNK_BYTES_FIRST],
    ['128 kbit/s', 16_000, CHUNK_BYTES_MIN]
  ])('at %s is answered in time and comes to a fitting size', (_line, bytesPerSecond, bytes) => {
    const {sizes, inTime} = sendOver(bytesPerSecond)
    expect([inTime, sizes.at(-1)]).toEqual([true, bytes])
  })
})

/** A registry behind a line that breaks in the middle of each chunk; it keeps what has come. */
async function breakingRegistry(keptOfChunk: number): Promise<{url: string; cuts: () => number}> {
  let [offset, cuts] = [0, 0]
  const take = async (request: IncomingMessage, most: number): Promise<void> => {
    let left = most
    for await (const chunk of request as AsyncIterable<Buffer>) {
      left -= Math.min(left, chunk.length)
      if (left === 0) break
    }
    offset += most - left
  }
  const server: Server = createServer(async (request, response) => {
    const {socket} = request
    const upload = /uploads/.test(request.url ?? '')
    response.setHeader('location', '/v2/a/b/blobs/uploads/1')
    if (request.method === 'POST') offset = 0
    if (request.method === 'GET' && offset > 0) response.setHeader('range', `0-${offset - 1}`)
    if (request.method !== 'PATCH') return void response.writeHead({HEAD: 404, POST: 202, GET: 204}[request.method ?? ''] ?? 201).end()
    const size = Number(request.headers['content-length'])
    if (!upload || request.headers['content-range'] !== `${offset}-${offset + size - 1}`) return void response.writeHead(416).end()
    if (size <= keptOfChunk) {
      await take(request, size)
      return void response.writeHead(202).end()
    }
    cuts += 1
    await take(request, keptOfChunk)
    socket.destroy()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closers.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cuts: () => cuts}
}

test('a push gets through a line that never carries a whole chunk, by what the registry kept, and says how far it is', async () => {
  const scratch = await scratchDirectory()
  closers.push(() => scratch.remove())
  const layoutDirectory = join(scratch.path, 'layout')
  const folder = join(scratch.path, 'app')
  await mkdir(folder)
  await writeFile(join(folder, 'run'), randomBytes(3 * 2 ** 20), {mode: 0o755})
  const image = await buildImage({
    platforms: [{architecture: 'amd64', base: 'scratch'}],
    folder,
    argv: ['/app/run'],
    env: {},
    layoutDirectory,
    signal
  })
  const registry = await breakingRegistry(384 * 1024)
  const progress: number[] = []
  const onProgress = ({doneBytes, totalBytes}: {doneBytes: number; totalBytes: number}): void => {
    progress.push(doneBytes / totalBytes)
  }
  const pushed = await pushImage({registryUrl: registry.url, repository: 'a/b', layoutDirectory, onProgress, signal})
  expect(pushed.digest).toBe(image.indexDigest)
  expect(registry.cuts()).toBeGreaterThan(5)
  expect(progress).toEqual(progress.toSorted((a, b) => a - b))
  expect(progress.at(-1)).toBe(1)
})

/** A registry that answers each kind of request with this status, and tells what it was asked. */
async function tellingRegistry(statuses: Readonly<Record<string, number>>): Promise<{url: string; asked: string[]}> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url?.replace('/v2/a/b/', '').replace(/[/?].*/, '')}`)
    response.setHeader('location', '/v2/a/b/blobs/uploads/1')
    request.resume().once('end', () => response.writeHead(statuses[request.method ?? ''] ?? 201).end())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closers.push(async () => void server.close())
  return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked}
}

async function imageOf(bytes: number): Promise<string> {
  const scratch = await scratchDirectory()
  closers.push(() => scratch.remove())
  const [layoutDirectory, folder] = [join(scratch.path, 'layout'), join(scratch.path, 'app')]
  await mkdir(folder)
  await writeFile(join(folder, 'run'), randomBytes(bytes), {mode: 0o755})
  await buildImage({platforms: [{architecture: 'amd64', base: 'scratch'}], folder, argv: ['/app/run'], env: {}, layoutDirectory, signal})
  return layoutDirectory
}

describe('a push over a line of long round trips', () => {
  test('asks one question about an image that is there whole', async () => {
    const registry = await tellingRegistry({HEAD: 200})
    const pushed = await pushImage({registryUrl: registry.url, repository: 'a/b', layoutDirectory: await imageOf(100), signal})
    expect(pushed).toMatchObject({bytesSent: 0, blobsSent: 0, blobsPresent: 2})
    expect(registry.asked).toEqual(['HEAD manifests'])
  })

  test('sends what is small in one request each', async () => {
    const registry = await tellingRegistry({HEAD: 404})
    await pushImage({registryUrl: registry.url, repository: 'a/b', layoutDirectory: await imageOf(100), signal})
    expect(registry.asked.toSorted()).toEqual([
      ...['HEAD blobs', 'HEAD blobs', 'HEAD manifests', 'HEAD manifests'],
      ...['POST blobs', 'POST blobs', 'PUT manifests', 'PUT manifests']
    ])
  })

  test('says how far it is within a chunk too', async () => {
    const registry = await tellingRegistry({HEAD: 404, POST: 202, PATCH: 202})
    const done: number[] = []
    const onProgress = ({doneBytes}: {doneBytes: number}): void => void done.push(doneBytes)
    await pushImage({
      registryUrl: registry.url,
      repository: 'a/b',
      layoutDirectory: await imageOf(CHUNK_BYTES_FIRST / 2),
      onProgress,
      signal
    })
    expect(registry.asked.filter((one) => one === 'PATCH blobs')).toHaveLength(2)
    expect(done.length).toBeGreaterThan(10)
    expect(done).toEqual(done.toSorted((a, b) => a - b))
  })
})
