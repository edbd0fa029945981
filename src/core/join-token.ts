import {CreoError} from './errors.ts'
import {accountIdSchema} from './protocol/scalars.ts'

/** A one-use join token names the account that made it, so that a machine knows whose node it becomes: `<account id>.<secret>`. */
export function joinToken(owner: string, secret: string): string {
  return `${owner}.${secret}`
}

/** @throws {CreoError} `invalid_input` for what is no join token. */
export function ownerOfJoinToken(token: string): string {
  const owner = accountIdSchema.safeParse(token.split('.', 1)[0])
  if (owner.success && token.length > owner.data.length + 1) return owner.data
  throw new CreoError('invalid_input', 'That is no join token: it begins with the id of the account that made it.', {
    hint: 'Copy the whole token, or ask the owner for a new one: creo node token'
  })
}
