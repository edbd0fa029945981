import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {networkViewSchema} from '../core/protocol/api.ts'
import {type Genesis, genesisSchema} from '../core/protocol/genesis.ts'
import {sha256Hex} from '../identity/keys.ts'
import {Connection} from './connection.ts'
import {jsonOrUndefined} from './http.ts'

export interface JoinedNetwork {
  readonly networkId: string
  readonly coordinatorKey: string
  readonly genesis: Genesis
}

/**
 * Asks a coordinator for its network and believes it only if the genesis that it shows has the expected hash.
 * @throws {CreoError} `verification_failed` when it is another network.
 */
export async function joinNetwork(options: {
  readonly coordinatorUrl: string
  readonly networkId: string
  readonly signal: AbortSignal
}): Promise<JoinedNetwork> {
  const connection = new Connection({...options, coordinatorKey: '', now: () => 0})
  try {
    const view = await connection.ask(networkViewSchema, {path: '/v1/network'})
    return checked(view, options)
  } finally {
    await connection.close()
  }
}

function checked(view: z.output<typeof networkViewSchema>, expected: {coordinatorUrl: string; networkId: string}): JoinedNetwork {
  const networkId = sha256Hex(view.genesis)
  if (networkId !== expected.networkId) {
    throw new CreoError('verification_failed', `The coordinator at ${expected.coordinatorUrl} runs another network, ${networkId}.`, {
      hint: 'Check the URL and the id with whoever told you them. Nothing was stored.'
    })
  }
  const genesis = genesisSchema.safeParse(jsonOrUndefined(view.genesis))
  if (!genesis.success || genesis.data.coordinatorKey !== view.coordinatorKey) {
    throw new CreoError('verification_failed', 'The genesis of this network is not one that this version of creo knows.', {
      hint: 'Upgrade creo.',
      ...(genesis.success ? {} : {cause: z.prettifyError(genesis.error)})
    })
  }
  return {networkId, coordinatorKey: genesis.data.coordinatorKey, genesis: genesis.data}
}
