import {mkdir} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {z} from 'zod'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import {REGISTRY_TOKEN_LIFETIME_MAX_MS, registryActions} from '../core/protocol/registry.ts'
import {signRegistryToken} from '../identity/registry-tokens.ts'
import type {AccountContext} from './context.ts'

const LIFETIME_MIN_MS = 1000
const SETTINGS_BYTES_MAX = 2 ** 20
const settingsSchema = z.looseObject({auths: z.record(z.string(), z.unknown()).optional()})

type Environment = Readonly<Record<string, string | undefined>>

export interface TokenWish {
  readonly lifetimeMs: number
  readonly isPullOnly: boolean
  /** One repository, or all below a name that ends in `/*`; undefined for whatever the account may. */
  readonly repository: string | undefined
}

export interface MadeToken {
  readonly token: string
  readonly expiresAtMs: number
  /** `host:port` of the registry. */
  readonly registry: string
}

/** A password with which other programs push and pull in the account's name. */
export async function makeRegistryToken(
  {client, account, key, networkId, coordinatorUrl}: AccountContext,
  {lifetimeMs, isPullOnly, repository}: TokenWish
): Promise<MadeToken> {
  if (lifetimeMs < LIFETIME_MIN_MS || lifetimeMs > REGISTRY_TOKEN_LIFETIME_MAX_MS) {
    throw new CreoError('invalid_input', 'A token of the registry is good for one second to one day.', {hint: 'For example --expires 1h.'})
  }
  const issuedAtMs = await client.networkNowMs()
  const expiresAtMs = issuedAtMs + lifetimeMs
  const scope = {actions: isPullOnly ? (['pull'] as const) : registryActions, ...(repository !== undefined && {repository})}
  const token = signRegistryToken({network: networkId, account: account.name, ...scope, issuedAtMs, notAfterMs: expiresAtMs}, key)
  return {token, expiresAtMs, registry: new URL(coordinatorUrl).host}
}

/** Where podman, buildah and skopeo look for passwords. */
export function containersAuthFile(env: Environment, uid: number): string {
  const named = env.REGISTRY_AUTH_FILE
  if (named !== undefined && named !== '') return named
  const runtime = env.XDG_RUNTIME_DIR
  return runtime !== undefined && runtime !== '' ? join(runtime, 'containers', 'auth.json') : `/run/containers/${uid}/auth.json`
}

/** Puts the password where podman finds it, beside those of other registries. @throws {CreoError} `invalid_input` when the file is none of podman's. */
export async function savePassword(
  path: string,
  {registry, user, password}: {readonly registry: string; readonly user: string; readonly password: string}
): Promise<void> {
  const before = settingsOf(path, await readFileIfThere(path, SETTINGS_BYTES_MAX))
  const auth = Buffer.from(`${user}:${password}`).toString('base64')
  const after = {...before, auths: {...before.auths, [registry]: {auth}}}
  await mkdir(dirname(path), {recursive: true, mode: 0o700})
  await writeFileDurably(path, `${JSON.stringify(after, null, 2)}\n`, {mode: 0o600})
}

function settingsOf(path: string, bytes: Buffer | undefined): z.output<typeof settingsSchema> {
  try {
    return settingsSchema.parse(JSON.parse(String(bytes ?? '{}')))
  } catch (cause) {
    throw new CreoError('invalid_input', `${path} is not a file of passwords as podman writes it.`, {
      hint: 'Mend it, move it away, or name another one with --authfile.',
      cause
    })
  }
}
