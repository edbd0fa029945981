import {z} from 'zod'
import {accountIdSchema, keyIdSchema, publicKeySchema, signatureSchema, timeMsSchema} from './scalars.ts'

/** What changes who may sign for an account. Each key that a command names has said that it wants to: by a proof, or by signing the command itself. */

export const keyRoles = ['owner', 'deployer', 'treasurer', 'trader', 'viewer', 'recovery'] as const
export type KeyRole = (typeof keyRoles)[number]

/** Keys of one account. */
export const ACCOUNT_KEYS_MAX = 16

const anyRolesSchema = z.array(z.enum(keyRoles)).min(1)
const rolesSchema = anyRolesSchema.max(keyRoles.length)

/**
 * A key of an account that is created. One that does not sign the command itself brings its proof; journals of earlier versions have none, and may name a
 * role several times.
 */
export const newAccountKeySchema = z.strictObject({publicKey: publicKeySchema, roles: anyRolesSchema, proof: signatureSchema.optional()})

const keyAdd = z.strictObject({type: z.literal('key.add'), publicKey: publicKeySchema, roles: rolesSchema, proof: signatureSchema})
/** Takes a key, or an invitation that nobody has accepted, away. The last owner key stays. */
const keyRevoke = z.strictObject({type: z.literal('key.revoke'), keyId: keyIdSchema})
/** The new key has the old one's roles, and the old one none. */
const keyRotate = z.strictObject({type: z.literal('key.rotate'), keyId: keyIdSchema, publicKey: publicKeySchema, proof: signatureSchema})
/** Whoever holds the private half of this one-use key may add a key of their own with these roles. */
const keyInvite = z.strictObject({type: z.literal('key.invite'), inviteKey: publicKeySchema, roles: rolesSchema, expiresAtMs: timeMsSchema})
/** Signed as `new` by the key that is added. Uses up the invitation, whose key has signed for this one. */
const keyAccept = z.strictObject({
  type: z.literal('key.accept'),
  account: accountIdSchema,
  publicKey: publicKeySchema,
  inviteKey: publicKeySchema,
  inviteProof: signatureSchema
})
/** By the recovery key alone. After the network's delay this key takes the place of all owner keys, unless one of them cancels it. */
const recoveryStart = z.strictObject({type: z.literal('recovery.start'), publicKey: publicKeySchema, proof: signatureSchema})
const recoveryCancel = z.strictObject({type: z.literal('recovery.cancel')})

export const keyCommandBodies = [keyAdd, keyRevoke, keyRotate, keyInvite, keyAccept, recoveryStart, recoveryCancel] as const
