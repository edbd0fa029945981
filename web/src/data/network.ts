import type {Network} from '../../../src/app-client/client.ts'

/** Listed among the page's own files by the deploy, so that gateways hold it against the list: which network this is. */
const NETWORK_FILE = 'creo-network.json'

const NETWORK_TIMEOUT_MS = 20_000

let found: Promise<Network> | undefined

/**
 * The network behind this page: read by way of `quotes`, commanded by way of `relay`, both hosted by strangers; what its coordinator did not sign is not believed.
 * @throws {CreoError} `verification_failed` when it is another one than the page was deployed to; `unavailable`.
 */
export function network(): Promise<Network> {
  found ??= connect().catch((error) => {
    found = undefined
    throw error
  })
  return found
}

let signs: Promise<boolean> | undefined

/** Whether this browser can check signatures: not on a page that came over plain HTTP, and not before 2025. It cannot sign then either, so that nothing is at stake. */
export function checksSignatures(): Promise<boolean> {
  const {subtle} = crypto as {readonly subtle?: SubtleCrypto}
  signs ??=
    subtle === undefined
      ? Promise.resolve(false)
      : subtle.generateKey('Ed25519', false, ['sign', 'verify']).then(
          () => true,
          () => false
        )
  return signs
}

async function connect(): Promise<Network> {
  const {Network: Networks} = await import('../../../src/app-client/client.ts')
  const url = new URL('quotes', document.baseURI).href
  const relay = new URL('relay', document.baseURI).href
  return Networks.connect({
    url,
    // A page that is being written is served from its sources, without a list.
    ...(import.meta.env.PROD && {networkId: await deployedTo()}),
    fetch: (address, init) => fetch(init?.method === 'POST' ? relay : String(address), init)
  })
}

async function deployedTo(): Promise<string> {
  const {CreoError} = await import('../../../src/app-client/client.ts')
  try {
    const answer = await fetch(new URL(NETWORK_FILE, document.baseURI), {signal: AbortSignal.timeout(NETWORK_TIMEOUT_MS)})
    const {id} = (await answer.json()) as {readonly id?: unknown}
    if (typeof id === 'string' && /^[0-9a-f]{64}$/.test(id)) return id
  } catch (cause) {
    throw new CreoError('unavailable', 'Nobody says which network this page belongs to.', {cause})
  }
  throw new CreoError('verification_failed', 'This page was deployed without its network.', {hint: 'Deploy it again.'})
}
