import {LRUCache} from 'lru-cache'
import {CreoError} from '../../core/errors.ts'
import {ASSET_LIST_NAME, type AssetContent, type AssetList, assetListSchema} from '../../core/protocol/assets.ts'
import type {RevisionEntry} from '../../core/protocol/tables.ts'
import type {Destination} from '../../core/routing.ts'
import type {Log} from '../../telemetry/log.ts'
import {badGateway} from '../answer-error.ts'
import type {NodeConduct} from '../conduct.ts'
import type {Fleet} from '../fleet.ts'
import type {ClientCall} from '../http/client-call.ts'
import type {Instance} from '../instance.ts'
import type {Work, WorkOf} from '../meter.ts'
import {noInstance, type RevisionPool} from '../revision-pool.ts'
import {answeredByList, chooseAsset, findAsset, sendAsset} from './asset-answer.ts'
import {AssetRoom} from './asset-room.ts'
import {type FetchedAsset, fetchAsset} from './fetch-asset.ts'

/** Lists that are kept, in bytes of their text. */
const LISTS_BYTES_MAX = 8 * 2 ** 20
/** Instances that one file is asked of. */
const TRIES_MAX = 3
/** Whoever waits is refused then; that one client leaves ends nothing that others may want. */
const UNTIL_THE_GATEWAY_STOPS = new AbortController().signal

export interface PageAssetsOptions {
  readonly fleet: Fleet
  readonly conduct: Pick<NodeConduct, 'request' | 'placeOf'>
  onWork(of: WorkOf, work: Work): void
  readonly log: Log
}

interface Found {
  readonly list: AssetList
  readonly bytes: number
}

/** One file of a revision, and where it is asked for. */
interface Wanted {
  readonly entry: RevisionEntry
  readonly destination: Destination
  readonly host: string
  readonly path: string
  readonly content: AssetContent
}

/**
 * Answers for functions that serve listed files. The revision, which its org signed, names the list by its digest, and the list each file: a host can keep
 * back what it should serve, and change nothing of it. The list comes from the hosts as well, so that nobody else need be there.
 */
export class PageAssets {
  readonly #options: PageAssetsOptions
  readonly #room = new AssetRoom()
  /** By revision: a new one is served only once a host of it was seen to have its files. */
  readonly #lists = new LRUCache<string, Found>({maxSize: LISTS_BYTES_MAX, sizeCalculation: ({bytes}) => bytes})
  /** What is being fetched, by revision and digest: who wants the same waits for it. */
  readonly #underWay = new Map<string, Promise<Buffer>>()

  constructor(options: PageAssetsOptions) {
    this.#options = options
  }

  /**
   * Answers the call from the files of the revision that serves it.
   * @returns false when that one has no list.
   * @throws {CreoError} `not_found`; `asset_tampered` when each host that was asked sent something else; what else keeps a function from answering.
   */
  async serve(call: ClientCall, destination: Destination): Promise<boolean> {
    const entry = this.#options.fleet.poolFor(destination)?.entry
    if (entry?.spec.assets === undefined) return false
    const {method, headers, host} = call.head
    if (method !== 'GET' && method !== 'HEAD') throw new CreoError('invalid_input', 'These are files: they are only read, by GET and HEAD.')
    const app = `${entry.org}/${entry.app}`
    const list = await unlessGone(call, this.#listOf(entry, destination, host))
    const found = findAsset(list, destination.target)
    if (found === undefined) throw new CreoError('not_found', 'There is no such page.', {hint: 'Check the path.'})
    const chosen = chooseAsset(found, {headers, list, revision: entry.id})
    if (answeredByList(call, chosen)) return true
    const {path, content} = chosen
    const giveBack = this.#room.take(app, content)
    try {
      const body =
        this.#room.find(app, content.digest) ?? (await unlessGone(call, this.#fetched({entry, destination, host, path, content})))
      this.#room.keep(app, content.digest, body)
      await sendAsset(call, chosen, body, entry.spec.timeoutMs)
    } finally {
      giveBack()
    }
    return true
  }

  async #listOf(entry: RevisionEntry, destination: Destination, host: string): Promise<AssetList> {
    const content = entry.spec.assets
    const known = this.#lists.get(entry.id)
    if (known !== undefined) return known.list
    if (content === undefined) throw noInstance('The revision has no files.')
    const text = await this.#fetched({entry, destination, host, path: `/${ASSET_LIST_NAME}`, content})
    const list = this.#lists.get(entry.id)?.list ?? parseList(text)
    this.#lists.set(entry.id, {list, bytes: content.bytes})
    return list
  }

  /** Once for all who ask meanwhile; it goes on when they leave, for those who come next. */
  #fetched(wanted: Wanted): Promise<Buffer> {
    const key = `${wanted.entry.id} ${wanted.content.digest}`
    const underWay = this.#underWay.get(key)
    if (underWay !== undefined) return underWay
    const fetching = this.#tryHosts(wanted).finally(() => this.#underWay.delete(key))
    // Whoever waited may have left.
    fetching.catch(() => undefined)
    this.#underWay.set(key, fetching)
    return fetching
  }

  async #tryHosts(wanted: Wanted): Promise<Buffer> {
    const {fleet, conduct} = this.#options
    const {entry, host, path, content} = wanted
    const {timeoutMs} = entry.spec
    const giveBack = this.#room.take(`${entry.org}/${entry.app}`, content)
    const liars: Instance[] = []
    let tried: Instance | undefined
    let lastError: CreoError | undefined
    try {
      for (let left = TRIES_MAX; left > 0; left -= 1) {
        const {pool, instance} = await this.#instanceFor(wanted, tried).catch((error: unknown) => {
          // That there is no other host is the lesser news.
          throw lastError ?? error
        })
        const fetched = await fetchAsset(instance, {host, path, content, timeoutMs})
        this.#count(instance, fetched)
        fleet.release(pool, instance, fetched.kind === 'whole' ? 'served' : 'failed')
        if (fetched.kind === 'whole') {
          // Now it is known that the image has it as it is listed.
          for (const {node, revision} of liars) conduct.placeOf(node, revision).tampered += 1
          return fetched.body
        }
        if (fetched.kind === 'tampered') {
          liars.push(instance)
          this.#distrust(instance, path)
        }
        if (lastError?.code !== 'asset_tampered') lastError = fetched.error
        tried = instance
      }
    } finally {
      giveBack()
    }
    throw lastError ?? noInstance('No instance answered.')
  }

  async #instanceFor(
    {entry, destination}: Wanted,
    tried: Instance | undefined
  ): Promise<{readonly pool: RevisionPool; readonly instance: Instance}> {
    const pool = this.#options.fleet.poolFor({...destination, revision: entry.id, isPinned: true})
    if (pool === undefined) throw noInstance('A newer revision has taken over.')
    return {pool, instance: pool.tryAcquire(tried) ?? (await pool.wait(UNTIL_THE_GATEWAY_STOPS))}
  }

  #distrust(instance: Instance, path: string): void {
    const {fleet, log} = this.#options
    log.warn(
      {node: instance.node, instance: instance.id, revision: instance.revision.id, path},
      'a host sent other bytes than were deployed'
    )
    fleet.distrust(instance)
  }

  #count(instance: Instance, {kind, bytesOut, headMs}: FetchedAsset): void {
    const isServed = kind === 'whole'
    if (kind !== 'tampered') this.#options.conduct.request(instance, isServed ? 'answered' : 'failed', headMs)
    this.#options.onWork(instance.work, {requests: isServed ? 1 : 0, requestsFailed: isServed ? 0 : 1, bytesOut})
  }
}

function parseList(text: Buffer): AssetList {
  try {
    return assetListSchema.parse(JSON.parse(text.toString('utf8')))
  } catch (cause) {
    throw badGateway('The list of files that the function was deployed with cannot be read.', cause)
  }
}

/** @throws {CreoError} `interrupted` as soon as the client has left. */
async function unlessGone<T>(call: ClientCall, work: Promise<T>): Promise<T> {
  const {promise: gone, reject} = Promise.withResolvers<never>()
  const leave = (): void => reject(new CreoError('interrupted', 'The client has gone.'))
  call.owner = {onBody: () => undefined, onBodyEnd: () => undefined, onClientDrain: () => undefined, onClientGone: leave}
  if (call.isGone) leave()
  try {
    return await Promise.race([work, gone])
  } finally {
    call.owner = undefined
  }
}
