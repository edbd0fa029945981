import {CreoError} from '../core/errors.ts'
import {readRedemptionCode, redemptionCodeOf, redemptionCodeText, redemptionHashText} from '../core/redemption-code.ts'
import {base64urlOf, randomBytes, sha256HexOf} from './web-crypto.ts'
import type {WebKey} from './web-key.ts'

const SALT_BYTES = 16

/** A code, and what the journal holds of it: the `code` of a `redemption.request`. */
export interface RedemptionCode {
  /** `XXXX-XXXX-XXXX`: for its holder to show at the counter, and for nobody else before. */
  readonly code: string
  readonly kept: {readonly salt: string; readonly hash: string}
}

/** A new code, which the key can make again from its salt. */
export async function newRedemptionCode(key: WebKey, network: string): Promise<RedemptionCode> {
  const salt = base64urlOf(randomBytes(SALT_BYTES))
  const code = await codeOf(key, network, salt)
  return {code, kept: {salt, hash: await hashOf(network, salt, code)}}
}

/** The code that this key made of a redemption; undefined for one of another key, and where there is none. */
export async function redemptionCodeAgain(
  key: WebKey,
  network: string,
  {codeSalt: salt, codeHash}: {readonly codeSalt?: string | null; readonly codeHash?: string | null}
): Promise<string | undefined> {
  if (!salt || !codeHash) return undefined
  const code = await codeOf(key, network, salt)
  return (await hashOf(network, salt, code)) === codeHash ? code : undefined
}

/**
 * Which of the redemptions that wait is the one whose code a holder shows, as it was typed.
 * @throws {CreoError} `invalid_input` for no code, or a mistyped one; `not_found`; `conflict` where it stands at several: anybody can copy what the record shows of another's.
 */
export async function redemptionOfCode(
  network: string,
  typed: string,
  waiting: readonly {readonly id: string; readonly codeSalt?: string | null; readonly codeHash?: string | null}[]
): Promise<string> {
  const code = readRedemptionCode(typed)
  const found: string[] = []
  for (const {id, codeSalt, codeHash} of waiting)
    if (codeSalt && codeHash && (await hashOf(network, codeSalt, code)) === codeHash) found.push(id)
  const [only, ...others] = found
  if (only === undefined)
    throw new CreoError('not_found', 'No redemption that waits has this code.', {hint: 'Compare it with what its holder shows.'})
  if (others.length > 0)
    throw new CreoError('conflict', `${found.length} redemptions that wait have this code.`, {
      hint: 'Capture the one that was handed over by its number.'
    })
  return only
}

async function codeOf(key: WebKey, network: string, salt: string): Promise<string> {
  return redemptionCodeOf(await key.derive(redemptionCodeText({network, salt})))
}

function hashOf(network: string, salt: string, code: string): Promise<string> {
  return sha256HexOf(redemptionHashText({network, salt, code}))
}
