import {createHash, randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {mkdir} from 'node:fs/promises'
import {Agent, createServer, get, type IncomingMessage} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import type {AssetContent, AssetList, AssetListRef} from '../../src/core/protocol/assets.ts'
import {type Figure, figure, median} from '../form.ts'
import {HOST} from './roles.ts'
import {startGateway} from './start-gateway.ts'

const ROUNDS = 5
const FILE_BYTES = 64 * 2 ** 10
/** Twice what a gateway keeps: asked for in turn, each is gone again when its turn comes. */
const FILES = 512
/** Of one that is kept. */
const KEPT_ASKED = 512

/**
 * What it adds to a file of 64 KiB that a gateway holds against its list: one request at a time for files that are fetched from their host each time,
 * beside a gateway that passes the same files on as they come; and for one file that is kept.
 */
export async function pageFigures(directory: string, stops: (() => Promise<unknown>)[], signal: AbortSignal): Promise<Figure[]> {
  const {port, ref} = await serveFiles(stops)
  const start = async (name: string, assets?: AssetListRef): Promise<number> => {
    const folder = join(directory, name)
    await mkdir(folder)
    const gateway = await startGateway(folder, {functionSocket: '', ports: [[port]], ...(assets !== undefined && {assets})}, stops)
    return gateway.port
  }
  const [plain, listed] = [await start('plain'), await start('listed', ref)]
  const all = Array.from({length: FILES}, (_none, at) => `/${at}.png`)
  const one = Array<string>(KEPT_ASKED).fill('/0.png')
  for (const gateway of [plain, listed]) await p50Ms(gateway, all, signal)
  const rounds: {plain: number; fetched: number; kept: number}[] = []
  for (let round = 0; round < ROUNDS; round += 1)
    rounds.push({
      plain: await p50Ms(plain, all, signal),
      fetched: await p50Ms(listed, all, signal),
      kept: await p50Ms(listed, one, signal)
    })
  return [
    figure({name: 'asset.added_p50_ms', unit: 'ms', samples: rounds.map((round) => round.fetched - round.plain)}),
    figure({name: 'asset.p50_ms.fetched', unit: 'ms', samples: rounds.map(({fetched}) => fetched)}),
    figure({name: 'asset.p50_ms.unlisted', unit: 'ms', samples: rounds.map((round) => round.plain)}),
    figure({name: 'asset.p50_ms.kept', unit: 'ms', samples: rounds.map(({kept}) => kept)})
  ]
}

async function serveFiles(stops: (() => Promise<unknown>)[]): Promise<{readonly port: number; readonly ref: AssetListRef}> {
  const bodies = new Map(Array.from({length: FILES}, (_none, at) => [`/${at}.png`, randomBytes(FILE_BYTES)]))
  const files = Object.fromEntries(Array.from(bodies, ([path, body]) => [path, {...contentOf(body), type: 'image/png'}]))
  const list: AssetList = {v: 'creo-assets-v1', headers: {}, files}
  const text = Buffer.from(JSON.stringify(list))
  bodies.set('/creo-assets.json', text)
  const server = createServer((request, response) => void response.end(bodies.get(request.url ?? ''))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  stops.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return {port: (server.address() as AddressInfo).port, ref: contentOf(text)}
}

async function p50Ms(port: number, paths: readonly string[], signal: AbortSignal): Promise<number> {
  const agent = new Agent({keepAlive: true, maxSockets: 1})
  const taken: number[] = []
  for (const path of paths) {
    const beganMs = performance.now()
    const [response] = (await once(get({port, host: '127.0.0.1', path, agent, signal, headers: {host: HOST}}), 'response')) as [
      IncomingMessage
    ]
    let bytes = 0
    for await (const piece of response) bytes += (piece as Buffer).length
    if (response.statusCode !== 200 || bytes !== FILE_BYTES) throw new Error(`${path} was answered ${response.statusCode}, ${bytes} bytes.`)
    taken.push(performance.now() - beganMs)
  }
  agent.destroy()
  return median(taken.toSorted((a, b) => a - b))
}

function contentOf(bytes: Buffer): AssetContent {
  return {digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes: bytes.length}
}
