import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {type Client, createClient} from '../client/client.ts'
import {configDirectory} from '../config/paths.ts'
import {openUserConfig} from '../config/user-config.ts'
import type {NetworkContext} from '../config/user-settings.ts'
import {CreoError} from '../core/errors.ts'
import {nearestOf} from '../core/nearest.ts'
import {nameSchema} from '../core/protocol/scalars.ts'
import {type KeyPair, loadKeyFile} from '../identity/keys.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What the common flags say: which network, in whose name. */
export interface ContextFlags {
  readonly network?: string | undefined
  readonly as?: string | undefined
}

/** A network that this user joined, ready to be talked to. */
export interface Context extends NetworkContext {
  /** What the user calls it. */
  readonly name: string
  readonly client: Client
}

/** The same in the name of one account, whose key is on this machine. */
export interface AccountContext extends Context {
  readonly account: {readonly id: string; readonly name: string}
  readonly key: KeyPair
}

/** Opens the chosen network for reading. @throws {CreoError} `not_found` when none is joined. */
export async function openContext({network}: ContextFlags, signal: AbortSignal): Promise<Context> {
  const context = openUserConfig(process.env).context(network)
  return {...context, client: createClient({...context, now: Date.now, signal})}
}

/**
 * Opens the chosen network in the name of `--as`, or of the default account.
 * @throws {CreoError} `no_account` when this user has none in the network; `usage` when none is chosen; `not_found` when its key is not on this
 * machine or the network does not know it.
 */
export async function openAccount(flags: ContextFlags, signal: AbortSignal, env: Environment = process.env): Promise<AccountContext> {
  const config = openUserConfig(env)
  const context = config.context(flags.network)
  const name = flags.as ?? config.read().defaultAccount
  const known = await accountsHere(context.networkId, env)
  if (known.length === 0) {
    const [network, account] = [context.name, name ?? null]
    throw new CreoError('no_account', `You have no account in the network ${network} yet.`, {
      hint: `creo account create ${account ?? 'NAME'}`,
      beside: {network, account}
    })
  }
  if (name === undefined)
    throw new CreoError('usage', 'No account is chosen.', {hint: 'Choose one with --as, or make one: creo account create NAME'})
  const key = await loadAccountKey(accountKeyPath(context.networkId, name, env), name, known)
  const reader = createClient({...context, key, now: Date.now, signal})
  const {id} = await reader.account(name)
  return {...context, client: reader.as(id, key), account: {id, name}, key}
}

/**
 * Opens the account of an app's org: what is signed is of the account that signs, so that another one would change its own app of that name.
 * @throws {CreoError} `usage` when `--as` or CREO_ACCOUNT names another; what `openAccount` throws.
 */
export async function openOrg(flags: ContextFlags, org: string, signal: AbortSignal): Promise<AccountContext> {
  const {as = org} = flags
  if (as === org) return await openAccount({...flags, as}, signal)
  throw new CreoError('usage', `The app is of ${org}, and you act as ${as}.`, {hint: `Act as its org: --as ${org}`})
}

/** Where an account's key is kept. @throws {CreoError} `invalid_input` for what is no account name. */
export function accountKeyPath(networkId: string, name: string, env: Environment = process.env): string {
  if (!nameSchema.safeParse(name).success) {
    throw new CreoError('invalid_input', `"${name}" is not an account name.`, {
      hint: 'Use 2 to 20 lower-case letters, digits and single hyphens, starting with a letter.'
    })
  }
  return join(keyFolder(networkId, env), `${name}.json`)
}

async function loadAccountKey(path: string, name: string, known: readonly string[]): Promise<KeyPair> {
  try {
    return await loadKeyFile(path)
  } catch (error) {
    if (!(error instanceof CreoError && error.code === 'not_found')) throw error
    const nearest = nearestOf(name, known)
    const hint = nearest === undefined ? `creo account create ${name}` : `Did you mean --as ${nearest}?`
    throw new CreoError('not_found', `The key of the account "${name}" is not on this machine.`, {hint, cause: error})
  }
}

/** Names of the accounts whose keys are on this machine. */
async function accountsHere(networkId: string, env: Environment): Promise<readonly string[]> {
  const files = await readdir(keyFolder(networkId, env)).catch(() => [])
  return files.flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -5)] : []))
}

function keyFolder(networkId: string, env: Environment): string {
  return join(configDirectory(env), 'keys', networkId)
}
