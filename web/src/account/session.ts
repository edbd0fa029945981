import type {WebKey} from '../../../src/app-client/client.ts'
import {watch} from '../data/live.ts'
import {network} from '../data/network.ts'
import {recall, remember} from '../remember.ts'
import {createStore, useStore} from '../store.ts'
import {begin, type Kept, onFinished} from './begun.ts'

/**
 * Whose page this is: nobody's, an account's whose key is kept here under its passphrase, or one whose key is open in this tab. The open key is never
 * stored, and is gone with the tab.
 */
export interface Session {
  readonly account: string
  readonly name: string
  readonly key: WebKey | undefined
}

const KEY = 'account'

export const session = createStore<Session | undefined>(undefined)

export function useSession(): Session | undefined {
  return useStore(session)
}

/** Takes up the account that this browser keeps, and follows what other tabs do with it. */
export function startSession(): void {
  const kept = readKept()
  if (kept !== undefined) session.set({account: kept.account, name: kept.name, key: undefined})
  session.follow((now) => watch({account: now?.account}))
  // Whose account was opened here in the meantime stays; the other one comes back by its words.
  onFinished((begun, key) => session.get() === undefined && keep(begun, key))
  addEventListener('storage', (event) => {
    if (event.key === null || event.key.endsWith(KEY)) followOtherTab()
  })
}

function followOtherTab(): void {
  const now = readKept()
  if (now?.account === session.get()?.account) return
  session.set(now === undefined ? undefined : {account: now.account, name: now.name, key: undefined})
}

function readKept(): Kept | undefined {
  try {
    const kept: unknown = JSON.parse(recall(KEY) ?? 'null')
    if (typeof kept !== 'object' || kept === null) return undefined
    const {account, name, sealed} = kept as Partial<Record<keyof Kept, unknown>>
    return typeof account === 'string' && typeof name === 'string' ? {account, name, sealed} : undefined
  } catch {
    return undefined
  }
}

/** All that keys need is fetched when somebody uses one. */
async function keyTools() {
  const [client, {wordsOf, secretOfWords}] = await Promise.all([import('../../../src/app-client/client.ts'), import('./recovery-words.ts')])
  return {...client, wordsOf, secretOfWords}
}

/** A key that no account has yet, with the words that bring it back. */
export async function newKey(): Promise<{readonly key: WebKey; readonly secret: Uint8Array<ArrayBuffer>; readonly words: string}> {
  const {createWebKey, wordsOf} = await keyTools()
  const made = await createWebKey()
  return {...made, words: wordsOf(made.secret)}
}

/**
 * Makes an account by this name, kept here under the passphrase. The same wish twice is one account.
 * @throws {CreoError} `conflict` when the name is taken
 */
export async function createAccount(wish: {
  readonly name: string
  readonly passphrase: string
  readonly key: WebKey
  readonly secret: Uint8Array<ArrayBuffer>
  /** In the person's words. */
  readonly about: string
}): Promise<void> {
  const {sealKey} = await keyTools()
  const net = await network()
  const {publicKey} = wish.key
  const sealed = await sealKey(wish.secret, publicKey, wish.passphrase)
  const body = {type: 'account.create' as const, name: wish.name, keys: [{publicKey, roles: ['owner' as const]}]}
  const command = await net.sign({account: 'new', key: wish.key}, body, {idempotencyKey: `account:${wish.name}`})
  await begin(net, {account: wish.name, publicKey, sealed, command, about: wish.about}, wish.key)
}

/**
 * Brings an account back in this browser.
 * @throws {CreoError} `not_found` for another name, `forbidden` when the words are of no key of it, `invalid_input` for no such words
 */
export async function restoreAccount(wish: {readonly name: string; readonly words: string; readonly passphrase: string}): Promise<void> {
  const {CreoError, sealKey, webKeyOfSecret, secretOfWords} = await keyTools()
  const secret = secretOfWords(wish.words)
  if (secret === undefined) throw new CreoError('invalid_input', 'Those are no recovery words.')
  const key = await webKeyOfSecret(secret)
  const view = await (await network()).account(wish.name)
  if (!view.keys.some(({publicKey}) => publicKey === key.publicKey))
    throw new CreoError('forbidden', 'The words are of no key of this account.')
  keep({account: view.id, name: view.name, sealed: await sealKey(secret, key.publicKey, wish.passphrase)}, key)
}

/**
 * Adds a new key, kept here under the passphrase, to the account that made the invitation. The same key twice is one.
 * @throws {CreoError} `invalid_input` for no invitation, `not_found` for one that was used, withdrawn or is over
 */
export async function linkAccount(wish: {
  readonly token: string
  readonly passphrase: string
  readonly key: WebKey
  readonly secret: Uint8Array<ArrayBuffer>
  /** In the person's words. */
  readonly about: string
}): Promise<void> {
  const {acceptanceOf, sealKey} = await keyTools()
  const net = await network()
  const {account, body} = await acceptanceOf(wish.token, wish.key, net.id)
  const sealed = await sealKey(wish.secret, wish.key.publicKey, wish.passphrase)
  const command = await net.sign({account: 'new', key: wish.key}, body, {idempotencyKey: `link:${wish.key.keyId}`})
  await begin(net, {account, publicKey: wish.key.publicKey, sealed, command, about: wish.about}, wish.key)
}

/** @throws {CreoError} `unauthorized` for another passphrase */
export async function unlock(passphrase: string): Promise<{readonly words: string}> {
  const {openKey, wordsOf} = await keyTools()
  const kept = readKept()
  const {key, secret} = await openKey(kept?.sealed, passphrase)
  if (kept !== undefined) session.set({account: kept.account, name: kept.name, key})
  return {words: wordsOf(secret)}
}

export function lock(): void {
  const now = session.get()
  if (now !== undefined) session.set({...now, key: undefined})
}

/** What the network keeps of a new code for a redemption, which the account's key can make again; undefined while it is locked. */
export async function newCode(): Promise<{readonly salt: string; readonly hash: string} | undefined> {
  const key = session.get()?.key
  if (key === undefined) return undefined
  const [{newRedemptionCode}, {id}] = await Promise.all([keyTools(), network()])
  return (await newRedemptionCode(key, id)).kept
}

/** The code of a redemption; undefined while the key is locked, and where another key made it. */
export async function codeAgain(of: {readonly codeSalt?: string | null; readonly codeHash?: string | null}): Promise<string | undefined> {
  const key = session.get()?.key
  if (key === undefined) return undefined
  const [{redemptionCodeAgain}, {id}] = await Promise.all([keyTools(), network()])
  return redemptionCodeAgain(key, id, of)
}

/** This browser forgets the account; its words bring it back. */
export function forget(): void {
  remember(KEY, undefined)
  session.set(undefined)
}

function keep(kept: Kept, key: WebKey | undefined): void {
  remember(KEY, JSON.stringify(kept))
  session.set({account: kept.account, name: kept.name, key})
}
