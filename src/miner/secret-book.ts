import {mkdir, readdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import type {Client} from '../client/client.ts'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import {type NodeSecrets, nodeSecretsSchema, sealingContext} from '../core/protocol/secrets.ts'
import type {RevisionEntry} from '../core/protocol/tables.ts'
import {type KeyPair, nodeIdOf} from '../identity/keys.ts'
import type {SealingKey} from '../identity/sealing.ts'
import type {Log} from '../telemetry/log.ts'
import {Backoff} from './backoff.ts'

const ASK_TIMEOUT_MS = 10_000
const RETRY_FIRST_MS = 1000
const RETRY_MOST_MS = 60_000
const FILE_BYTES_MAX = 2 ** 20
const FILE = /^(rev_[1-9]\d{0,15})\.json$/

/** A revision with what it names; an object of a revision's own table is one. */
type Named = Pick<RevisionEntry, 'id' | 'org' | 'app' | 'function'> & {readonly spec: Pick<RevisionEntry['spec'], 'secrets'>}

export interface SecretBookOptions {
  /** One file a revision: what is in it opens with the key beside alone. */
  readonly directory: string
  readonly keyPath: string
  readonly network: string
  readonly nodeKey: KeyPair
  readonly client: Pick<Client, 'nodeSecrets'>
  /** A revision has newer values than it had: what still holds the old ones should not be used again. */
  readonly onChanged: (revision: string) => void
  readonly random: () => number
  readonly log: Log
  readonly signal: AbortSignal
}

/**
 * The secrets of the revisions that this node holds a lease of, sealed to its key as the coordinator gave them, on disk and in memory: so functions
 * start with the coordinator gone. Opened only when a function's process is started.
 */
export class SecretBook {
  readonly #options: SecretBookOptions
  readonly #held: Map<string, NodeSecrets>
  /** Revisions to ask for. */
  readonly #queue = new Map<string, Named>()
  /** What is under way, and which change was the newest when it was asked for. */
  readonly #asking = new Map<string, {readonly change: number; readonly given: Promise<NodeSecrets>}>()
  #leased = new Map<string, Named>()
  #key: Promise<SealingKey> | undefined
  #isWorking = false
  /**
   * The newest change that the coordinator spoke of: all that was leased then has been asked for since, or is in the queue. What came with one revision says
   * nothing of the others, nor does a file of an earlier process: each process asks for all once.
   */
  #change = -1

  private constructor(options: SecretBookOptions, held: Map<string, NodeSecrets>) {
    this.#options = options
    this.#held = held
  }

  /** What can't be read is as if it were not there: the coordinator has it still. */
  static async open(options: SecretBookOptions): Promise<SecretBook> {
    const held = new Map<string, NodeSecrets>()
    for (const file of await readdir(options.directory).catch(() => [])) {
      const [, revision] = FILE.exec(file) ?? []
      const read = revision === undefined ? undefined : await readHeld(join(options.directory, file))
      if (revision !== undefined && read !== undefined) held.set(revision, read)
    }
    return new SecretBook(options, held)
  }

  /** The leases are these now: forgets what no revision needs any more, on disk too, and asks for what is not here. */
  sync(revisions: readonly RevisionEntry[]): void {
    this.#leased = new Map(revisions.filter(({spec}) => hasSecrets(spec)).map((revision) => [revision.id, revision]))
    for (const revision of this.#leased.values()) if (!this.#held.has(revision.id)) this.#queue.set(revision.id, revision)
    this.#work()
    for (const id of [...this.#held.keys()]) if (!this.#leased.has(id)) void this.#forget(id)
  }

  /** What the coordinator said with a heartbeat; nothing, when it does not know (any more) that this node has secrets. */
  noticed(change: number | undefined): void {
    if (this.#held.size === 0 || (change !== undefined && change <= this.#change)) return
    this.#change = change ?? -1
    for (const revision of this.#leased.values()) this.#queue.set(revision.id, revision)
    this.#work()
  }

  /**
   * Resolves when everything that a revision names is on this node.
   * @throws {CreoError} `not_found` when something is not set; `unavailable` when the coordinator can't be asked for what is not here.
   */
  async ready(revision: Named): Promise<void> {
    if (this.#missing(revision, this.#held.get(revision.id)).length === 0) return
    const missing = this.#missing(revision, await this.#ask(revision).catch(notHere))
    if (missing.length === 0) return
    throw new CreoError(
      'not_found',
      `${revision.function} needs ${missing.join(', ')}, which is not set in ${revision.org}/${revision.app}.`,
      {
        hint: `creo secrets set ${revision.org}/${revision.app} ${missing[0]}`
      }
    )
  }

  /** The values, opened. What was sealed to a key that is lost is asked for again. @throws {CreoError} what `ready` says. */
  async environment(revision: Named): Promise<Record<string, string>> {
    if (!hasSecrets(revision.spec)) return {}
    await this.ready(revision)
    try {
      return await this.#opened(revision.id)
    } catch (error) {
      if (!isCreoError(error) || error.code !== 'verification_failed') throw error
      this.#options.log.warn({revision: revision.id}, 'secrets do not open with the key of this node, and are asked for again')
    }
    await this.#ask(revision).catch(notHere)
    return await this.#opened(revision.id)
  }

  /** @throws {CreoError} `verification_failed` when they were sealed to another key. */
  async #opened(revision: string): Promise<Record<string, string>> {
    const {network, nodeKey} = this.#options
    const {org, app, secrets} = this.#held.get(revision) ?? {org: '', app: '', secrets: []}
    const {unseal} = await import('../identity/sealing.ts')
    const [recipient, key] = [nodeIdOf(nodeKey.publicKey), await this.#sealingKey()]
    const opened = secrets.map(async ({name, version, sealed}) => {
      const value = await unseal(sealed, {key, context: sealingContext({network, recipient, org, app, name, version})})
      return [name, value.toString('utf8')] as const
    })
    return Object.fromEntries(await Promise.all(opened))
  }

  /** Resolves when nothing is being asked for or written. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#asking.values()].map(({given}) => given))
  }

  async #forget(revision: string): Promise<void> {
    this.#held.delete(revision)
    await rm(this.#path(revision), {force: true}).catch((error: unknown) =>
      this.#options.log.warn({revision, error: String(error)}, 'secrets that are needed no more could not be removed')
    )
  }

  #missing({spec}: Named, held: NodeSecrets | undefined): string[] {
    const here = new Set(held?.secrets.map(({name}) => name))
    return (spec.secrets ?? []).filter((name) => !here.has(name))
  }

  /** One after the other, until all are here or the node stops. */
  #work(): void {
    if (this.#isWorking || this.#queue.size === 0) return
    this.#isWorking = true
    void this.#workOff().finally(() => {
      this.#isWorking = false
    })
  }

  async #workOff(): Promise<void> {
    const {signal, random, log} = this.#options
    const backoff = new Backoff({firstMs: RETRY_FIRST_MS, mostMs: RETRY_MOST_MS, random})
    for (let [revision] = this.#queue.values(); revision !== undefined && !signal.aborted; [revision] = this.#queue.values()) {
      this.#queue.delete(revision.id)
      if (!this.#leased.has(revision.id)) continue
      try {
        await this.#ask(revision)
        backoff.succeeded()
      } catch (error) {
        if (signal.aborted) return
        log.info({revision: revision.id, code: isCreoError(error) ? error.code : 'internal'}, 'no secrets yet')
        this.#queue.set(revision.id, revision)
        await backoff.wait(signal)
      }
    }
  }

  /** What is under way may have been answered before the newest change: then it is asked for once more, after that. */
  #ask({id}: Named): Promise<NodeSecrets> {
    const underWay = this.#asking.get(id)
    if (underWay?.change === this.#change) return underWay.given
    const asked = underWay === undefined ? this.#askOnce(id) : underWay.given.catch(() => undefined).then(() => this.#askOnce(id))
    const asking = {
      change: this.#change,
      given: asked.finally(() => {
        if (this.#asking.get(id) === asking) this.#asking.delete(id)
      })
    }
    this.#asking.set(id, asking)
    return asking.given
  }

  async #askOnce(id: string): Promise<NodeSecrets> {
    const {client, nodeKey, network, signal, directory, onChanged} = this.#options
    const {signSealingKey} = await import('../identity/sealing.ts')
    const {publicKey} = await this.#sealingKey()
    const timely = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)])
    const given = await client.nodeSecrets(id, signSealingKey({network, publicKey}, nodeKey), timely)
    const before = this.#held.get(id)
    await mkdir(directory, {recursive: true, mode: 0o700})
    await writeFileDurably(this.#path(id), JSON.stringify(given))
    this.#held.set(id, given)
    if (before !== undefined && versionsOf(before) !== versionsOf(given)) onChanged(id)
    return given
  }

  /** Made when it is first needed: most nodes hold no secret. */
  #sealingKey(): Promise<SealingKey> {
    this.#key ??= import('../identity/sealing.ts').then(({loadOrCreateSealingKey}) => loadOrCreateSealingKey(this.#options.keyPath))
    this.#key.catch(() => {
      this.#key = undefined
    })
    return this.#key
  }

  #path(revision: string): string {
    return join(this.#options.directory, `${revision}.json`)
  }
}

function hasSecrets({secrets = []}: Named['spec']): boolean {
  return secrets.length > 0
}

function versionsOf({secrets}: NodeSecrets): string {
  return JSON.stringify(secrets.map(({name, version}) => [name, version]))
}

async function readHeld(path: string): Promise<NodeSecrets | undefined> {
  try {
    return nodeSecretsSchema.parse(JSON.parse(String(await readFileIfThere(path, FILE_BYTES_MAX))))
  } catch {
    return undefined
  }
}

function notHere(cause: unknown): never {
  throw new CreoError('unavailable', 'The secrets of this function are not on this node yet, and the coordinator does not give them now.', {
    hint: 'Ask again in a moment.',
    cause
  })
}
