import type {Client} from '../client/client.ts'
import {CreoError, isCreoError} from '../core/errors.ts'

export interface EnrolmentOptions {
  /** Signs with the node's key. */
  readonly client: Pick<Client, 'enroll' | 'node'>
  readonly node: string
  readonly name: string
  readonly architecture: 'amd64' | 'arm64'
  readonly token: string | undefined
}

/**
 * Makes this key a node of the token's account, once: a key that the network knows needs no token again.
 * @throws {CreoError} `usage` without a token; the network's own code when it refuses the token.
 */
export async function enroll(options: EnrolmentOptions, signal: AbortSignal): Promise<'enrolled' | 'already_enrolled'> {
  const {client, node, name, architecture, token} = options
  if (await isKnown(client, node, signal)) return 'already_enrolled'
  if (token === undefined) {
    throw new CreoError('usage', 'This node is not enrolled yet, and --token is missing.', {
      hint: 'The owner of the account makes a one-use token: creo node token'
    })
  }
  await client.enroll({token, name, architecture}, signal)
  return 'enrolled'
}

async function isKnown(client: EnrolmentOptions['client'], node: string, signal: AbortSignal): Promise<boolean> {
  try {
    await client.node(node, signal)
    return true
  } catch (error) {
    if (isCreoError(error) && error.code === 'not_found') return false
    throw error
  }
}
