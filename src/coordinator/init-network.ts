import {access} from 'node:fs/promises'
import {z} from 'zod'
import {openDataDirectory} from '../config/data-directory.ts'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import {IN_WORDS, problemsText} from '../core/issue-words.ts'
import {type Genesis, genesisSchema, type Protection} from '../core/protocol/genesis.ts'
import {AMOUNT_MAX, MICRO_GUTTA_PER_GUTTA} from '../core/units.ts'
import {loadOrCreateKeyFile, sha256Hex} from '../identity/keys.ts'
import {BASES_ORG} from '../images/bases.ts'
import {JOURNAL_FILE} from '../ledger/journal.ts'
import {COORDINATOR_KEY_FILE, GENESIS_FILE, OPERATOR_KEY_FILE} from './data-files.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** Why these: docs/MONEY.md, "Opening and protection". */
const PROTECTION: Protection = {openingMs: 30 * MINUTE_MS, auctionMs: 5 * MINUTE_MS, staticPpm: 300_000, dynamicPpm: 100_000}
const QUICK_PROTECTION: Protection = {...PROTECTION, openingMs: 10_000, auctionMs: 5000}

/** What the founder of a network may choose. What is left out takes the default of its kind. */
export interface NetworkChoices {
  readonly network: Genesis['network']
  readonly name: string
  readonly exchangeOrg: string
  readonly epochMs?: number | undefined
  readonly perEpochMicroGutta?: number | undefined
  readonly totalMicroGutta?: number | undefined
  readonly makerPpm?: number | undefined
  readonly takerPpm?: number | undefined
  readonly redemptionTimeoutMs?: number | undefined
  readonly recoveryDelayMs?: number | undefined
  /** Whether markets open by auctions and have price bands. */
  readonly hasProtection?: boolean | undefined
}

export interface InitializedNetwork {
  readonly networkId: string
  readonly network: Genesis['network']
  readonly name: string
  readonly genesisPath: string
  readonly coordinatorKey: string
  readonly operatorKey: string
  readonly operatorKeyPath: string
  readonly created: boolean
}

/**
 * Writes the first files of a network: two keys, then the genesis that names them. The genesis comes last and whole, so a directory either is a
 * network or can be tried again.
 * @throws {CreoError} `conflict` when there is a network already (unless `ifMissing`), `data_dir_unwritable`, `invalid_input`.
 */
export async function initializeNetwork(
  directory: string,
  choices: NetworkChoices,
  options: {readonly nowMs: number; readonly ifMissing: boolean}
): Promise<InitializedNetwork> {
  assertChoices(choices)
  const data = await openDataDirectory(directory)
  try {
    const genesisPath = data.file(GENESIS_FILE)
    const operatorKeyPath = data.file(OPERATOR_KEY_FILE)
    const existing = await readFileIfThere(genesisPath)
    if (existing) {
      if (!options.ifMissing) throw alreadyThere(data.path)
      return {...facts(existing.toString()), genesisPath, operatorKeyPath, created: false}
    }
    if (await exists(data.file(JOURNAL_FILE))) throw alreadyThere(data.path)
    const [coordinator, operator] = [await loadOrCreateKeyFile(data.file(COORDINATOR_KEY_FILE)), await loadOrCreateKeyFile(operatorKeyPath)]
    const genesis = makeGenesis(choices, {
      coordinatorKey: coordinator.publicKey,
      operatorKey: operator.publicKey,
      createdAtMs: options.nowMs
    })
    const text = `${JSON.stringify(z.encode(genesisSchema, genesis), null, 2)}\n`
    await writeFileDurably(genesisPath, text, {mode: 0o644})
    return {...facts(text), genesisPath, operatorKeyPath, created: true}
  } finally {
    await data.close()
  }
}

function makeGenesis(
  choices: NetworkChoices,
  made: {readonly coordinatorKey: string; readonly operatorKey: string; readonly createdAtMs: number}
): Genesis {
  if (choices.exchangeOrg === BASES_ORG)
    throw new CreoError('invalid_input', `The name "${BASES_ORG}" is the network's own: its base images lie under it.`, {
      hint: 'Choose another with --exchange-org.'
    })
  const isDevelopment = choices.network === 'development'
  const genesis: Genesis = {
    format: 'creo-genesis-v1',
    network: choices.network,
    name: choices.name,
    createdAtMs: made.createdAtMs,
    coordinatorKey: made.coordinatorKey,
    operatorKey: made.operatorKey,
    exchangeOrg: choices.exchangeOrg,
    ruleset: '1',
    emission: {
      epochMs: choices.epochMs ?? (isDevelopment ? 10_000 : HOUR_MS),
      perEpochMicroGutta: choices.perEpochMicroGutta ?? 1000 * MICRO_GUTTA_PER_GUTTA,
      halvingEpochs: isDevelopment ? 0 : 35_040,
      totalMicroGutta: choices.totalMicroGutta ?? (isDevelopment ? AMOUNT_MAX : 70_080_000 * MICRO_GUTTA_PER_GUTTA),
      ownerShareMaxPermille: isDevelopment ? 1000 : 250,
      workPerRequest: 100,
      workPerMillionMibMs: 10_000
    },
    fees: {makerPpm: choices.makerPpm ?? 0, takerPpm: choices.takerPpm ?? 2000},
    redemptionTimeoutMs: choices.redemptionTimeoutMs ?? (isDevelopment ? 5 * MINUTE_MS : 7 * 24 * HOUR_MS),
    receiptGraceMs: isDevelopment ? 2 * MINUTE_MS : 24 * HOUR_MS,
    recoveryDelayMs: choices.recoveryDelayMs ?? (isDevelopment ? MINUTE_MS : 72 * HOUR_MS),
    ...((choices.hasProtection ?? !isDevelopment) && {protection: isDevelopment ? QUICK_PROTECTION : PROTECTION}),
    volumeBucketMs: isDevelopment ? MINUTE_MS : HOUR_MS,
    volumeBuckets: 24
  }
  return genesisSchema.parse(z.encode(genesisSchema, genesis, IN_WORDS), IN_WORDS)
}

/** Said before anything is written. */
function assertChoices(choices: NetworkChoices): void {
  const pair = {coordinatorKey: 'A'.repeat(43), operatorKey: 'A'.repeat(43), createdAtMs: 0}
  try {
    makeGenesis(choices, pair)
  } catch (cause) {
    if (!(cause instanceof z.ZodError)) throw cause
    throw new CreoError('invalid_input', `${problemsText(cause.issues, 'the genesis')}.`, {
      hint: 'creo coordinator init --help',
      cause
    })
  }
}

function facts(text: string): Pick<InitializedNetwork, 'networkId' | 'network' | 'name' | 'coordinatorKey' | 'operatorKey'> {
  const {network, name, coordinatorKey, operatorKey} = genesisSchema.parse(JSON.parse(text))
  return {networkId: sha256Hex(text), network, name, coordinatorKey, operatorKey}
}

function alreadyThere(path: string): CreoError {
  return new CreoError('conflict', `There is a network in ${path} already; it is never overwritten.`, {
    hint: `creo coordinator serve --data ${path}`
  })
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}
