import {join} from 'node:path'
import type {FastifyRequest} from 'fastify'
import {type DataDirectory, openDataDirectory} from '../config/data-directory.ts'
import {readFileIfThere} from '../config/durable-file.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import {parsedOr} from '../core/issue-words.ts'
import {type Genesis, genesisSchema} from '../core/protocol/genesis.ts'
import type {KeyPair} from '../identity/keys.ts'
import {loadKeyFile} from '../identity/keys.ts'
import {openNonceStore} from '../identity/nonce-store.ts'
import {createNonceMemory, noncesPerKey} from '../identity/nonces.ts'
import {loadOrCreateSealingKey, signSealingKey} from '../identity/sealing.ts'
import {SignaturePool} from '../identity/signature-pool.ts'
import {openLedger} from '../ledger/open-ledger.ts'
import type {Ledger} from '../ledger/port.ts'
import type {Log} from '../telemetry/log.ts'
import {clearUnfinishedRestores} from './backup/restore-backup.ts'
import {openCalendar} from './calendar.ts'
import {openCron} from './cron/open-cron.ts'
import {
  BASES_FOLDER,
  COORDINATOR_KEY_FILE,
  CRON_FILE,
  GENESIS_FILE,
  LOGS_FILE,
  NONCES_FILE,
  PICTURES_FILE,
  PROBES_FILE,
  REGISTRY_FOLDER,
  REPUTATION_FILE,
  SECRETS_FILE,
  SECRETS_KEY_FILE,
  WEBHOOKS_FILE
} from './data-files.ts'
import {EventHub} from './events/event-hub.ts'
import {ClientAddresses} from './http/client-address.ts'
import {ClientLimits} from './http/client-limits.ts'
import {buildHttpServer, closeWithin, listenAt} from './http/http-server.ts'
import {finishForgetting} from './http/named-secrets.ts'
import {RequestSignals} from './http/request-signals.ts'
import {RequestSigner} from './http/request-signer.ts'
import {SecretHolders, type SecretTools} from './http/routes-secrets.ts'
import {KnownLeases} from './known-leases.ts'
import {LastingReads} from './lasting-reads.ts'
import {LogFile} from './log-file.ts'
import {FunctionLogs} from './logs.ts'
import {Loop} from './loop.ts'
import {Overview} from './operator/overview.ts'
import {createOwnCommands} from './own-commands.ts'
import {PictureStore} from './picture-store.ts'
import {PresenceBoard} from './presence.ts'
import {ProbeRecord} from './probe-record.ts'
import {BlockedImages} from './registry/blocked-images.ts'
import {followLiveImages} from './registry/live-images.ts'
import {openRegistry, type Registry} from './registry/registry.ts'
import {takeBases} from './registry/take-bases.ts'
import {ReputationBoard} from './reputation-board.ts'
import {Scheduler} from './scheduler.ts'
import {SecretStore} from './secret-store.ts'
import {type CoordinatorSettings, coordinatorSettings, type OperatorSettings} from './settings.ts'
import {SignedTables} from './tables.ts'
import {Waiters} from './waiters.ts'
import {WEBHOOK_TICK_MS, Webhooks} from './webhooks/webhooks.ts'

export interface CoordinatorOptions {
  readonly directory: string
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly version: string
  readonly operatorSettings?: OperatorSettings
  readonly nowMs: () => number
  /** Stands while the machine sleeps, so that no node counts as lost for that. */
  readonly monotonicMs?: () => number
  readonly log: Log
}

export interface Coordinator {
  readonly url: string
  readonly networkId: string
  /** Resolves when the coordinator can't go on, with the reason; the process should end and be started again. */
  readonly failed: Promise<Error>
  /** Answers what is under way, commits what was accepted, and leaves the data directory free. */
  close(): Promise<void>
}

/**
 * Starts a coordinator on its data directory.
 * @throws {CreoError} `not_found` without a network there, `conflict` when another process serves it, `port_taken`, `data_dir_unwritable`.
 */
export async function startCoordinator(options: CoordinatorOptions, signal: AbortSignal): Promise<Coordinator> {
  const cleanups: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (let cleanup = cleanups.pop(); cleanup; cleanup = cleanups.pop()) await cleanup()
  }
  try {
    const {genesisText, genesis} = await readGenesis(options.directory)
    const data = await openDataDirectory(options.directory)
    cleanups.push(() => data.close())
    await clearUnfinishedRestores(data.path)
    const key = await coordinatorKey(data, genesis)
    const ledger = await openLedger({directory: data.path, genesisText, now: options.nowMs, signal, log: options.log})
    cleanups.push(() => ledger.close())
    const failed = new Promise<Error>((resolve) => ledger.onFailed(resolve))
    const url = await startRoles({...options, data, genesis, genesisText, key, ledger}, cleanups)
    return {url, networkId: ledger.networkId, failed, close}
  } catch (error) {
    await close()
    throw error
  }
}

/** Runs a coordinator until the signal fires, then stops it cleanly. Rejects when it fails, so that a supervisor starts it again. */
export async function serveCoordinator(
  options: CoordinatorOptions,
  onReady: (coordinator: Coordinator) => void,
  signal: AbortSignal
): Promise<void> {
  const coordinator = await startCoordinator(options, signal)
  const stopped = Promise.withResolvers<undefined>()
  const stop = (): void => stopped.resolve(undefined)
  signal.addEventListener('abort', stop, {once: true})
  if (signal.aborted) stop()
  onReady(coordinator)
  const failure = await Promise.race([stopped.promise, coordinator.failed])
  await coordinator.close()
  if (failure) throw failure
}

interface Opened extends CoordinatorOptions {
  readonly data: DataDirectory
  readonly genesis: Genesis
  readonly genesisText: string
  readonly key: KeyPair
  readonly ledger: Ledger
}

async function startRoles(opened: Opened, cleanups: (() => Promise<void>)[]): Promise<string> {
  const {ledger, key, genesis, nowMs, log} = opened
  const stopping = new AbortController()
  const settings = coordinatorSettings(genesis.network, opened.operatorSettings)
  const commands = createOwnCommands({ledger, key})
  const presence = new PresenceBoard()
  const leases = new KnownLeases(ledger)
  const lasting = new LastingReads(ledger.reads)
  const tables = new SignedTables({ledger, leases, lasting, key})
  const record = await ProbeRecord.open(opened.data.file(PROBES_FILE), log)
  const calendarLoop = openCalendar({...opened, commands, record}, {everyMs: settings.tickMs, signal: stopping.signal})
  const images = await openImages(opened, stopping.signal, cleanups)
  const reputation = openReputation(opened, lasting)
  cleanups.push(async () => reputation.close())
  const clocks = {nowMs, ...(opened.monotonicMs !== undefined && {monotonicMs: opened.monotonicMs})}
  const known = {ledger, leases, lasting, presence, commands}
  const tools = {...settings, ...images, ...clocks, ...known, settings: settings.scheduling, reputation, log}
  const scheduler = new Scheduler({...tools, ...genesis}, stopping.signal)
  const collectLoop = collectUnused(images, {...settings, ledger, signal: stopping.signal, log})
  const secrets = await openSecrets(opened)
  cleanups.push(() => secrets.secrets.close())
  const due = openDue(opened, settings, stopping.signal)
  const {lostAfterMs} = settings.scheduling
  const events = new EventHub({...known, lostAfterMs, awakeSinceMs: () => scheduler.awakeSinceMs, nowMs})
  const logs = openLogs(opened, cleanups)
  const overview = new Overview({...opened, presence, leases, scheduler, logs, lostAfterMs, network: genesis.name})
  const app = await buildHttpServer({
    ...opened,
    ...secrets,
    ...due,
    ...known,
    settings,
    events,
    overview,
    reputation,
    tables,
    scheduler,
    ...images,
    ...openSigning(opened, {settings, lasting}, cleanups),
    logs,
    logWaiters: new Waiters(),
    receiptGraceMs: genesis.receiptGraceMs,
    stopping: stopping.signal,
    signals: new RequestSignals(stopping.signal)
  })
  cleanups.push(async () => {
    stopping.abort(new CreoError('unavailable', 'The coordinator is stopping.', {hint: 'Ask again in a moment.'}))
    tables.close()
    events.close()
    await closeWithin(app)
    await Promise.all([scheduler.close(), calendarLoop.close(), collectLoop.close(), due.close()])
  })
  return listenAt(app, opened)
}

/** What is done when it comes due, until the signal fires: schedules are fired, and orgs are told of their redemptions. */
function openDue({data, ledger, key, genesis, log}: Opened, {tickMs}: CoordinatorSettings, signal: AbortSignal) {
  const cron = openCron({path: data.file(CRON_FILE), ledger, key, log, tickMs}, signal)
  const anywhere = genesis.network === 'development'
  const timeoutMs = genesis.redemptionTimeoutMs
  const webhooks = new Webhooks({path: data.file(WEBHOOKS_FILE), ledger, key, timeoutMs, anywhere, log})
  const loop = new Loop({work: async (stop) => webhooks.tick(stop), everyMs: WEBHOOK_TICK_MS, signal, log})
  const close = async (): Promise<void> => {
    await Promise.all([cron.close(), loop.close()])
    await webhooks.close()
  }
  return {...cron, webhooks, close}
}

/** Who asks, by what they signed, and how often each may. */
function openSigning(
  {ledger, data}: Opened,
  {settings, lasting}: {readonly settings: CoordinatorSettings; readonly lasting: LastingReads},
  cleanups: (() => Promise<void>)[]
) {
  const limits = new ClientLimits(settings)
  const addresses = new ClientAddresses(settings.trustedProxies)
  const signatures = new SignaturePool()
  const nonces = openNonceStore(data.file(NONCES_FILE), createNonceMemory({perKeyMax: noncesPerKey(settings.accountRequests)}))
  cleanups.push(async () => {
    nonces.close()
    await signatures.close()
  })
  const addressOf = ({raw}: FastifyRequest): string | undefined => addresses.ofRequest(raw)
  return {
    limits,
    addressOf,
    seenOf: ({raw}: FastifyRequest) => addresses.seen(raw),
    signatures,
    signer: new RequestSigner({ledger, lasting, nowMs: () => ledger.nowMs(), limits, signatures, nonces})
  }
}

/** The registry, with the bases that it offers, and what the operator keeps out of it; and the pictures of offers. */
async function openImages(
  {ledger, data, nowMs, log}: Opened,
  signal: AbortSignal,
  cleanups: (() => Promise<void>)[]
): Promise<{readonly registry: Registry; readonly blockedImages: BlockedImages; readonly pictures: PictureStore}> {
  const liveImages = followLiveImages(ledger, nowMs)
  const blockReason = (digest: string): string | undefined => ledger.reads.blockReason({kind: 'image', name: digest})
  const registry = await openRegistry({directory: join(data.path, REGISTRY_FOLDER), nowMs, liveImages, blockReason})
  const onDamaged = (folder: string, err: unknown): void => log.warn({folder, err}, 'a base cannot be offered')
  const bases = await takeBases(registry, {directory: join(data.path, BASES_FOLDER), onDamaged, signal})
  if (bases.length > 0) log.info({bases}, 'the registry offers new bases')
  const pictures = new PictureStore(data.file(PICTURES_FILE))
  cleanups.push(async () => pictures.close())
  return {registry, blockedImages: new BlockedImages(ledger.reads, registry.store), pictures}
}

function collectUnused(
  {registry, pictures}: {readonly registry: Registry; readonly pictures: PictureStore},
  {
    collectEveryMs,
    collectGraceMs,
    ledger,
    signal,
    log
  }: Pick<CoordinatorSettings, 'collectEveryMs' | 'collectGraceMs'> & {
    readonly ledger: Ledger
    readonly signal: AbortSignal
    readonly log: Log
  }
): Loop {
  const collect = async (stop: AbortSignal): Promise<void> => {
    const collected = await registry.collect({graceMs: collectGraceMs, signal: stop})
    if (collected.manifests + collected.blobs > 0) log.info(collected, 'the registry deleted what nothing refers to')
    const gone = pictures.collect(ledger.reads.offerPictures(), {before: ledger.nowMs() - collectGraceMs})
    if (gone > 0) log.info({pictures: gone}, 'pictures that no offer has were deleted')
  }
  return new Loop({work: collect, everyMs: collectEveryMs, signal, log})
}

function openLogs({data, nowMs, log}: Opened, cleanups: (() => Promise<void>)[]): FunctionLogs {
  const file = LogFile.open(data.file(LOGS_FILE))
  cleanups.push(async () => file.close())
  return new FunctionLogs({file, nowMs: nowMs(), log})
}

function openReputation({data, ledger}: Opened, lasting: LastingReads): ReputationBoard {
  const ownerOf = (node: string): string | undefined => lasting.node(node)?.owner
  return ReputationBoard.open({path: data.file(REPUTATION_FILE), ownerOf, gateways: () => ledger.reads.gateways().map(({id}) => id)})
}

async function openSecrets({data, ledger, key, nowMs}: Opened): Promise<Pick<SecretTools, 'secrets' | 'secretHolders' | 'sealingKey'>> {
  const network = ledger.networkId
  const sealing = await loadOrCreateSealingKey(data.file(SECRETS_KEY_FILE))
  const secrets = SecretStore.open({path: data.file(SECRETS_FILE), network, key: sealing, nowMs})
  await finishForgetting(ledger, secrets)
  return {
    secrets,
    secretHolders: new SecretHolders(),
    sealingKey: signSealingKey({network, publicKey: sealing.publicKey}, key)
  }
}

async function readGenesis(directory: string): Promise<{genesisText: string; genesis: Genesis}> {
  const path = join(directory, GENESIS_FILE)
  const notGenesis = (wrong: string, cause: unknown): CreoError =>
    new CreoError('invalid_input', `${path} is not a genesis file: ${wrong}.`, {hint: 'Restore it from a backup.', cause})
  const text = (await readFileIfThere(path))?.toString()
  if (text === undefined)
    throw new CreoError('not_found', `There is no network in ${directory}.`, {hint: `creo coordinator init --data ${directory}`})
  try {
    return {genesisText: text, genesis: parsedOr(genesisSchema, JSON.parse(text), notGenesis)}
  } catch (cause) {
    throw isCreoError(cause) ? cause : notGenesis('it is not JSON', cause)
  }
}

async function coordinatorKey(data: DataDirectory, genesis: Genesis): Promise<KeyPair> {
  const path = data.file(COORDINATOR_KEY_FILE)
  const key = await loadKeyFile(path)
  if (key.publicKey === genesis.coordinatorKey) return key
  throw new CreoError('invalid_input', `${path} is not the key that the genesis names.`, {hint: 'Restore it from a backup.'})
}
