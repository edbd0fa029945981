import {access} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {openDataDirectory} from '../config/data-directory.ts'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import {type Genesis, genesisSchema} from '../core/protocol/genesis.ts'
import {loadOrCreateKeyFile, sha256Hex} from '../identity/keys.ts'
import {JOURNAL_FILE} from '../ledger/journal.ts'
import {COORDINATOR_KEY_FILE, GENESIS_FILE, OPERATOR_KEY_FILE} from './data-files.ts'
import {type TermChoices, termsOf} from './genesis-terms.ts'

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

/** Whether a folder has a network, or what is left of one. */
export async function hasNetwork(directory: string): Promise<boolean> {
  return (await exists(join(directory, GENESIS_FILE))) || (await exists(join(directory, JOURNAL_FILE)))
}

/**
 * Writes the first files of a network: two keys, then the genesis that names them. The genesis comes last and whole, so a directory either is a
 * network or can be tried again.
 * @throws {CreoError} `conflict` when there is a network already (unless `ifMissing`), `data_dir_unwritable`, `invalid_input`.
 */
export async function initializeNetwork(
  directory: string,
  choices: TermChoices,
  options: {readonly nowMs: number; readonly ifMissing: boolean}
): Promise<InitializedNetwork> {
  const terms = termsOf(choices)
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
    const {format, network, name, ...others} = terms
    const made = {createdAtMs: options.nowMs, coordinatorKey: coordinator.publicKey, operatorKey: operator.publicKey}
    const genesis: Genesis = {format, network, name, ...made, ...others}
    const text = `${JSON.stringify(z.encode(genesisSchema, genesis), null, 2)}\n`
    await writeFileDurably(genesisPath, text, {mode: 0o644})
    return {...facts(text), genesisPath, operatorKeyPath, created: true}
  } finally {
    await data.close()
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
