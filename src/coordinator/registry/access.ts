import type {FastifyRequest} from 'fastify'
import {CreoError} from '../../core/errors.ts'
import {type RegistryAction, type RegistryToken, registryActions, tokenCovers} from '../../core/protocol/registry.ts'
import {openRegistryToken} from '../../identity/registry-tokens.ts'
import {BASES_ORG} from '../../images/bases.ts'
import type {LedgerReads} from '../../ledger/port.ts'
import type {RequestSigner} from '../http/request-signer.ts'
import {Bearers} from './bearers.ts'
import {OciError} from './oci-error.ts'
import type {RegistryAccess} from './registry-routes.ts'
import {isRepository, orgOf} from './repository-name.ts'

const SERVICE = 'creo-registry'
const SCOPES_MAX = 32
const SCOPE = /^repository:([^:]{1,255}):([a-z*,]{1,64})$/
/** What goes back to the client in a header is only what a host name and a port are made of. */
const HOST = /^[A-Za-z0-9.[\]:-]{1,255}$/

export interface AccessTools {
  readonly reads: LedgerReads
  readonly signer: RequestSigner
  readonly networkId: string
  readonly nowMs: () => number
}

/**
 * Two ways in. creo signs each request (RFC 9421). Other programs log in with a token that an account's key signed, and are given a bearer for what they
 * ask. Who is known may pull; who pushes or deletes has a key of the org that the repository names. Rights are looked up at each request: taking a key
 * away ends them at once.
 */
export function createAccess(tools: AccessTools): RegistryAccess {
  const {signer} = tools
  const bearers = new Bearers()
  const assertMay = (keyId: string, action: RegistryAction, repository: string): void => {
    if (action === 'pull') return
    if (orgOf(repository) === BASES_ORG)
      throw new CreoError('forbidden', `What lies under ${BASES_ORG}/ comes from the network itself.`, {
        hint: `Push to your account's own repositories, for example ACCOUNT/APP/FUNCTION. An account that was named ${BASES_ORG} before the name was kept deploys as another: creo account create NAME`
      })
    signer.assertOrgKey(keyId, orgOf(repository), ['deployer'])
    const reason = tools.reads.blockReason({kind: 'account', name: orgOf(repository)})
    if (reason === undefined) return
    throw new CreoError('forbidden', `The operator of the network has blocked the account ${orgOf(repository)}: ${reason}`)
  }
  const bearerOf = (request: FastifyRequest, scope: string | undefined) => {
    const opened = bearers.open(credentialsOf(request, 'bearer'), tools.nowMs())
    if (opened && tools.reads.accountByKey(opened.keyId)) {
      signer.count(opened.keyId, request)
      return opened
    }
    throw challenge(request, {scope, error: 'invalid_token', message: 'The bearer token has expired or is not one of this registry.'})
  }
  return {
    async authenticate(request) {
      if (credentialsOf(request, 'bearer') !== undefined) return void bearerOf(request, undefined)
      await signedBy(tools, request, undefined)
    },
    async authorize(request, action, repository) {
      const scope = `repository:${repository}:${action === 'push' ? 'pull,push' : action}`
      if (credentialsOf(request, 'bearer') === undefined) return assertMay(await signedBy(tools, request, scope), action, repository)
      const {keyId, grants} = bearerOf(request, scope)
      assertMay(keyId, action, repository)
      if (grants.some((grant) => grant.repository === repository && grant.actions.includes(action))) return
      throw challenge(request, {scope, error: 'insufficient_scope', message: `The token is not good for ${action} of ${repository}.`})
    },
    async grant(request) {
      const token = loginOf(tools, request)
      // Other programs give up where they get no token, and ask again for what follows.
      signer.count(token.keyId, {method: 'PUT'})
      const grants = scopesOf(request).flatMap(({repository, actions}) => {
        const granted = actions.filter(
          (action) => tokenCovers(token, action, repository) && holds(() => assertMay(token.keyId, action, repository))
        )
        return granted.length > 0 ? [{repository, actions: granted}] : []
      })
      const bearer = bearers.issue({keyId: token.keyId, grants}, {nowMs: tools.nowMs(), notAfterMs: token.notAfterMs})
      return {token: bearer.text, access_token: bearer.text, expires_in: bearer.lifetimeS, issued_at: new Date(tools.nowMs()).toISOString()}
    }
  }
}

/** Who signed the request; who did not is told how other programs log in. */
async function signedBy({signer}: AccessTools, request: FastifyRequest, scope: string | undefined): Promise<string> {
  if (request.headers.signature !== undefined) return signer.keyOf(request)
  throw challenge(request, {scope, message: 'The registry wants to know who asks.'})
}

function loginOf({reads, networkId, nowMs}: AccessTools, request: FastifyRequest): RegistryToken {
  const [user = '', password] = Buffer.from(credentialsOf(request, 'basic') ?? '', 'base64')
    .toString()
    .split(/:(.*)/s)
  if (password === undefined) {
    throw new OciError('UNAUTHORIZED', 401, 'unauthorized', 'Log in as an account, with a token for password.', {
      hint: 'creo registry login, or: creo registry token | podman login -u ACCOUNT --password-stdin HOST:PORT',
      headers: {'www-authenticate': `Basic realm="${SERVICE}"`}
    })
  }
  const keyOf = (keyId: string, account: string): string | undefined => {
    if (reads.account(account)?.id !== reads.accountByKey(keyId)?.account) return undefined
    return reads.account(account)?.keys.find((key) => key.keyId === keyId)?.publicKey
  }
  const token = openRegistryToken({token: password, network: networkId, keyOf, nowMs: nowMs()})
  if (token.account === user) return token
  throw new CreoError('unauthorized', `The token is one of ${token.account}.`, {hint: `Log in as ${token.account}.`})
}

interface Refusal {
  readonly scope: string | undefined
  readonly message: string
  /** RFC 6750's word for it; absent when nothing was shown. */
  readonly error?: 'invalid_token' | 'insufficient_scope'
}

/** RFC 6750, with the realm, service and scope that clients of registries go by. */
function challenge(request: FastifyRequest, {scope, message, error}: Refusal): OciError {
  if (!HOST.test(request.host)) throw new CreoError('invalid_input', 'The Host header is not a host name.')
  const scheme = request.headers['x-forwarded-proto'] === 'https' ? 'https' : request.protocol
  const parts = {realm: `${scheme}://${request.host}/v2/token`, service: SERVICE, scope, error}
  const said = Object.entries(parts).flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${value}"`]))
  return new OciError('UNAUTHORIZED', 401, 'unauthorized', message, {
    hint: 'Log in: creo registry login',
    headers: {'www-authenticate': `Bearer ${said.join(',')}`}
  })
}

function credentialsOf(request: FastifyRequest, scheme: 'basic' | 'bearer'): string | undefined {
  const [, named = '', value] = /^(Basic|Bearer) +(\S{1,8192})$/i.exec(request.headers.authorization ?? '') ?? []
  return named.toLowerCase() === scheme ? value : undefined
}

function scopesOf(request: FastifyRequest): {repository: string; actions: RegistryAction[]}[] {
  const {scope = []} = request.query as {scope?: unknown}
  const asked = [scope].flat().flatMap((text) => String(text).split(' '))
  return asked.slice(0, SCOPES_MAX).flatMap((text) => {
    const [, repository = '', actions = ''] = SCOPE.exec(text) ?? []
    if (!isRepository(repository)) return []
    const named = actions.split(',')
    return [{repository, actions: registryActions.filter((action) => named.includes(action) || named.includes('*'))}]
  })
}

function holds(assertion: () => void): boolean {
  try {
    assertion()
    return true
  } catch {
    return false
  }
}
