import {Agent, type Dispatcher, interceptors, request} from 'undici'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {isLoopback} from '../core/loopback.ts'
import type {RegistryReference} from './reference.ts'
import {type Credentials, findCredentials} from './registry-credentials.ts'
import {type AuthorizeRequest, dropBody, expectStatus, type RegistryAddress, readBody, unreachable} from './registry-http.ts'

const REDIRECTS_MAX = 5
const ANSWER_TIMEOUT_MS = 30_000
const TOKEN_BYTES_MAX = 256 * 1024
/** What a token lives that says nothing of it, by the specification of tokens. */
const TOKEN_LIFE_S = 60
/** A token is renewed so long before its end. */
const TOKEN_MARGIN_MS = 10_000

export interface ForeignRegistry extends RegistryAddress {
  close(): Promise<void>
}

interface Bearer {
  readonly scheme: 'bearer'
  readonly realm: string
  readonly service: string | undefined
}

type Challenge = {readonly scheme: 'none'} | {readonly scheme: 'basic'} | Bearer

const tokenSchema = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().positive().optional()
})

/**
 * Any registry of the OCI distribution API, with what the user has logged in with. TLS everywhere but on this machine itself; redirects are
 * followed without credentials, and never down to plain HTTP.
 * @throws {CreoError} `unavailable`; `unauthorized` when it lets nobody in without credentials, or not with these.
 */
export async function openForeignRegistry(
  reference: RegistryReference,
  options: {readonly env: Readonly<Record<string, string | undefined>>; readonly signal: AbortSignal}
): Promise<ForeignRegistry> {
  const {host, repository} = reference
  const hostname = new URL(`http://${host}`).hostname
  const registryUrl = `${isLoopback(hostname) ? 'http' : 'https'}://${host}`
  const agent = new Agent()
  const dispatcher = agent.compose(onlyTls(isLoopback(hostname)), interceptors.redirect({maxRedirections: REDIRECTS_MAX}))
  const address = {registryUrl, repository, dispatcher}
  try {
    const credentials = await findCredentials(reference, options.env)
    const challenge = await askChallenge(address, options.signal)
    const authorize = authorizeBy(challenge, {address, host, credentials, signal: options.signal})
    return {...address, authorize, close: () => agent.close()}
  } catch (error) {
    await agent.close()
    throw error
  }
}

function onlyTls(loopbackToo: boolean): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) => {
    const {protocol, hostname, host} = new URL(String(options.origin))
    if (protocol === 'https:' || (loopbackToo && isLoopback(hostname))) return dispatch(options, handler)
    throw new CreoError('rejected', `The registry sent us on to ${host} without TLS.`, {hint: 'Copy the image to a registry with TLS.'})
  }
}

async function askChallenge(address: RegistryAddress, signal: AbortSignal): Promise<Challenge> {
  const response = await get(address, `${address.registryUrl}/v2/`, {}, signal)
  await dropBody(response)
  if (response.statusCode === 200) return {scheme: 'none'}
  if (response.statusCode !== 401) await expectStatus(response, [200], `${address.registryUrl} is no registry`)
  const header = [response.headers['www-authenticate'] ?? ''].flat().find((one) => /^\s*(?:bearer|basic)\b/i.test(one)) ?? ''
  if (/^\s*basic\b/i.test(header)) return {scheme: 'basic'}
  const parameters = new Map([...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key.toLowerCase(), value]))
  const realm = parameters.get('realm')
  if (realm === undefined || !URL.canParse(realm))
    throw new CreoError('unauthorized', `${address.registryUrl} asks for a kind of login that creo does not know.`)
  return {scheme: 'bearer', realm, service: parameters.get('service')}
}

interface Login {
  readonly address: RegistryAddress
  readonly host: string
  readonly credentials: Credentials | undefined
  readonly signal: AbortSignal
}

function authorizeBy(challenge: Challenge, login: Login): AuthorizeRequest {
  if (challenge.scheme === 'none') return async () => ({})
  if (challenge.scheme === 'basic') {
    if (login.credentials === undefined) throw noLogin(login.host)
    const headers = basic(login.credentials)
    return async () => headers
  }
  let known = {token: '', untilMs: 0}
  return async () => {
    if (known.untilMs < performance.now()) known = await fetchToken(challenge, login)
    return {authorization: `Bearer ${known.token}`}
  }
}

async function fetchToken(
  {realm, service}: Bearer,
  {address, host, credentials, signal}: Login
): Promise<{readonly token: string; readonly untilMs: number}> {
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  url.searchParams.set('scope', `repository:${address.repository}:pull`)
  const response = await get(address, url.href, credentials === undefined ? {} : basic(credentials), signal)
  if (response.statusCode === 401 || response.statusCode === 403) {
    await dropBody(response)
    throw credentials === undefined
      ? noLogin(host)
      : new CreoError('unauthorized', `${host} does not take what is stored for it.`, {hint: `podman login ${host}`})
  }
  await expectStatus(response, [200], `${host} gives no token`)
  const answer = tokenSchema.safeParse(parseJson(await readBody(response, TOKEN_BYTES_MAX)))
  const token = answer.data?.token ?? answer.data?.access_token
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token))
    throw new CreoError('rejected', `${host} answered with something that is no token.`)
  return {token, untilMs: performance.now() + (answer.data?.expires_in ?? TOKEN_LIFE_S) * 1000 - TOKEN_MARGIN_MS}
}

async function get(
  address: RegistryAddress,
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal
): Promise<Dispatcher.ResponseData> {
  const dispatcher = address.dispatcher
  try {
    const options = {headers, signal, headersTimeout: ANSWER_TIMEOUT_MS, bodyTimeout: ANSWER_TIMEOUT_MS}
    return await request(url, {...options, ...(dispatcher && {dispatcher})})
  } catch (cause) {
    throw unreachable(address, signal, cause)
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

function basic({user, password}: Credentials): Readonly<Record<string, string>> {
  return {authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`}
}

function noLogin(host: string): CreoError {
  return new CreoError('unauthorized', `${host} lets nobody in without a login.`, {hint: `podman login ${host}`})
}
