import {CreoError, isCreoError} from '../core/errors.ts'
import {IN_WORDS} from '../core/issue-words.ts'
import type {RevisionSpec} from '../core/protocol/revisions.ts'
import {SECRET_BYTES_MAX, type SecretView, sealingContext, secretNameSchema} from '../core/protocol/secrets.ts'
import {seal, verifySealingKey} from '../identity/sealing.ts'
import type {AppName} from './app-name.ts'
import type {AccountContext} from './context.ts'
import {madeRevisions} from './made-revisions.ts'
import type {FoundManifest} from './read-manifest.ts'
import {untilUnchanged} from './release.ts'

/** Nodes whose owner is asked for; of more only the number is said. */
const NODES_NAMED_MAX = 100

/** Besides the operator, in whose coordinator the value lies sealed. */
export interface SecretReader {
  /** Name of the account whose nodes these are; `others` for those that are not asked for. */
  readonly owner: string
  readonly nodes: number
}

export interface SecretSet extends SecretView {
  readonly readers: readonly SecretReader[]
  /** False when the value is set, and only who reads it could not be looked up. */
  readonly readersKnown: boolean
  /** Functions that name it and serve: their new revisions, whose instances start with the new value. */
  readonly rolled: readonly {readonly function: string; readonly revision: string}[]
  /** Functions whose traffic several revisions share: their instances keep what they have until they end. */
  readonly notRolled: readonly string[]
}

/** @throws {CreoError} `invalid_input` for what is no name of an environment variable. */
export function secretName(typed: string): string {
  const parsed = secretNameSchema.safeParse(typed, IN_WORDS)
  if (parsed.success) return parsed.data
  throw new CreoError('invalid_input', `"${typed}" ${parsed.error.issues[0]?.message ?? 'is no name'}.`, {hint: 'For example API_KEY.'})
}

/** A value as it was typed, piped or read: text without the line end that editors and echo put there. @throws {CreoError} `invalid_input` */
export function secretValue(bytes: Buffer): Buffer {
  const value = bytes.at(-1) === 0x0a ? bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1) : bytes
  const refuse = (message: string, hint: string): never => {
    throw new CreoError('invalid_input', message, {hint})
  }
  if (value.length === 0) refuse('The value is empty.', 'Type it, pipe it in, or name a file with --from-file.')
  if (value.length > SECRET_BYTES_MAX)
    refuse(
      `The value is longer than ${SECRET_BYTES_MAX} bytes, the most that a secret has.`,
      'Keep the long part elsewhere, and its key here.'
    )
  if (value.includes(0) || !Buffer.from(value.toString('utf8')).equals(value))
    refuse('The value is not text, and an environment variable holds nothing else.', 'Encode it, for example by base64.')
  return value
}

/** Seals a value to the coordinator, and makes new revisions of the functions that serve with an older one. */
export async function setSecret(
  by: AccountContext,
  place: AppName,
  {name, value}: {readonly name: string; readonly value: Buffer},
  signal: AbortSignal
): Promise<SecretSet> {
  const {client, networkId: network, coordinatorKey} = by
  const sealingKey = await client.sealingKey(signal)
  if (!verifySealingKey(sealingKey, {network, key: coordinatorKey}))
    throw new CreoError('bad_signature', 'The key to seal the value to is not signed by the coordinator of this network.', {
      hint: 'Check the URL of the coordinator and the network id.'
    })
  const context = sealingContext({network, recipient: 'deposit', ...place, name, version: 0})
  const view = await client.setSecret(place, {name, sealed: await seal(value, {to: sealingKey.publicKey, context})}, signal)
  const {naming, rolled, notRolled} = await untilUnchanged(() => roll(by, place, name, signal))
  const readers = await readersOf(by, naming, signal).catch(() => undefined)
  signal.throwIfAborted()
  return {...view, readers: readers ?? [], readersKnown: readers !== undefined, rolled, notRolled}
}

/** A spec with the newest version of each secret that it names: it is another revision once one is newer. */
export function withSecretVersions(spec: RevisionSpec, secrets: readonly SecretView[]): RevisionSpec {
  const {secretVersions: _, ...rest} = spec
  const named = secrets.filter(({name}) => spec.secrets?.includes(name)).map(({name, version}) => [name, version] as const)
  return named.length === 0 ? rest : {...rest, secretVersions: Object.fromEntries(named.sort(([a], [b]) => (a < b ? -1 : 1)))}
}

/**
 * The specs of an app's functions, each with the newest version of what it names.
 * @throws {CreoError} `not_found` when one names a secret that is not set.
 */
export async function withSecrets(
  client: AccountContext['client'],
  {manifest: {org, app}, problem}: FoundManifest,
  specs: ReadonlyMap<string, RevisionSpec>,
  signal: AbortSignal
): Promise<ReadonlyMap<string, RevisionSpec>> {
  if ([...specs.values()].every(({secrets = []}) => secrets.length === 0)) return specs
  const {secrets: known} = await client.secrets({org, app}, signal)
  const set = new Set(known.map(({name}) => name))
  for (const [name, {secrets = []}] of specs) {
    const index = secrets.findIndex((secret) => !set.has(secret))
    const missing = secrets[index]
    if (missing === undefined) continue
    const hint = `creo secrets set ${org}/${app} ${missing}`
    throw problem(['functions', name, 'secrets', index], 'not_found', `The secret ${missing} of ${org}/${app} is not set.`, hint)
  }
  return new Map([...specs].map(([name, spec]) => [name, withSecretVersions(spec, known)]))
}

/** Owners of the nodes that hold a lease now, the one with most nodes first. */
async function readersOf({client}: AccountContext, naming: readonly string[], signal: AbortSignal): Promise<SecretReader[]> {
  const leases = await Promise.all(naming.map((revision) => client.leases({revision, status: 'active'}, signal)))
  const nodes = new Set(leases.flatMap((of) => of.leases.map(({node}) => node)))
  if (nodes.size === 0) return []
  const asked = await Promise.all([...nodes].slice(0, NODES_NAMED_MAX).map((id) => client.node(id, signal)))
  const owned = [...Map.groupBy(asked, ({owner}) => owner)]
  const byOwner = await Promise.all(
    owned.map(async ([owner, of]) => ({owner: (await client.account(owner, signal)).name, nodes: of.length}))
  )
  byOwner.sort((a, b) => b.nodes - a.nodes || (a.owner < b.owner ? -1 : 1))
  return nodes.size > asked.length ? [...byOwner, {owner: 'others', nodes: nodes.size - asked.length}] : byOwner
}

/**
 * The same images with the same settings: what is new is the version that they say, and so they take over as any deploy does.
 * @throws {CreoError} `revision_changed` when somebody else's deploy came first, which is not taken back.
 */
async function roll(
  {client}: AccountContext,
  place: AppName,
  name: string,
  signal: AbortSignal
): Promise<Pick<SecretSet, 'rolled' | 'notRolled'> & {readonly naming: readonly string[]}> {
  const {secrets} = await client.secrets(place, signal)
  const app = await client.app(place.org, place.app, signal).catch(undefinedIfUnknown)
  const naming = app?.revisions.filter(({spec}) => spec.secrets?.includes(name)) ?? []
  const serving = naming.filter(({percent}) => percent > 0)
  const whole = serving.filter(({percent}) => percent === 100)
  const notRolled = [...new Set(serving.filter(({percent}) => percent < 100).map((revision) => revision.function))].sort()
  const ids = naming.map(({id}) => id)
  if (app === undefined || whole.length === 0) return {rolled: [], notRolled, naming: ids}
  const revisions = whole.map(({id, function: name, imageDigest, spec}) => ({
    function: name,
    imageDigest,
    spec: withSecretVersions(spec, secrets),
    expected: id
  }))
  const {result} = await client.submit({type: 'revision.deploy', app: place.app, revisions}, {signal})
  const rolled = madeRevisions(result)
  return {rolled, notRolled, naming: [...ids, ...rolled.map(({revision}) => revision)]}
}

function undefinedIfUnknown(error: unknown): undefined {
  if (!isCreoError(error) || error.code !== 'not_found') throw error
  return undefined
}
