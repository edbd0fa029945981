import {z} from 'zod'
import {keyIdSchema, nameSchema, networkIdSchema, timeMsSchema} from './scalars.ts'

export const registryActions = ['pull', 'push', 'delete'] as const
export type RegistryAction = (typeof registryActions)[number]

/** A token in a settings file of podman is a password that anyone who reads the file has: it does not last. */
export const REGISTRY_TOKEN_LIFETIME_MAX_MS = 24 * 3_600_000

/**
 * A password for other programs that push and pull, made by an account's key without asking anybody. It ends by itself, and at once when the key is
 * no longer the account's. On the wire: `<base64url of this as JSON>.<signature>`.
 */
export const registryTokenSchema = z.strictObject({
  v: z.literal('creo-registry-token-v1'),
  network: networkIdSchema,
  /** The account's name, which is also the user to log in as. */
  account: nameSchema,
  keyId: keyIdSchema,
  actions: z.array(z.enum(registryActions)).min(1).max(registryActions.length),
  /** One repository, or all below a name that ends in `/*`. Absent: whatever the account may. */
  repository: z.string().min(1).max(255).optional(),
  issuedAtMs: timeMsSchema,
  notAfterMs: timeMsSchema
})
export type RegistryToken = z.output<typeof registryTokenSchema>

/** Whether the token is good for this, as far as its own words go. */
export function tokenCovers(token: Pick<RegistryToken, 'actions' | 'repository'>, action: RegistryAction, repository: string): boolean {
  const {actions, repository: only} = token
  if (!actions.includes(action)) return false
  return only === undefined || only === repository || (only.endsWith('/*') && repository.startsWith(only.slice(0, -1)))
}
