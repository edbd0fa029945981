import type {Effect} from '../core/exchange/outcome.ts'
import type {AccountView} from './port.ts'

type Keys = Extract<Effect, {type: 'account.keys'}>
type ShownKeys = Pick<AccountView, 'keys' | 'invites' | 'recovery'>

/** The command by which an account's keys came to be others. */
interface Change {
  readonly command: string
  /** The key that signed it. */
  readonly keyId: string
  readonly atMs: number
}

/** The keys that an account has now, each with the key that added it, and when; those that it was made with have neither. */
export function withOrigins(now: Keys, before: ShownKeys, change: Change): Pick<Keys, 'keys' | 'invites' | 'recovery'> {
  const known = new Map(before.keys.map((key) => [key.keyId, key]))
  const origin = {addedBy: adderOf(now, before, change), addedAtMs: change.atMs}
  const keys = now.keys.map((key) => {
    const same = known.get(key.keyId)
    return same === undefined ? {...key, ...origin} : {...same, ...key}
  })
  const invites = now.invites?.map(
    (invite) => before.invites?.find(({keyId}) => keyId === invite.keyId) ?? {...invite, madeBy: change.keyId}
  )
  const {recovery} = now
  const isSame = recovery !== undefined && before.recovery?.keyId === recovery.keyId
  return {
    keys,
    ...(invites && {invites}),
    ...(recovery && {recovery: isSame ? {...before.recovery, ...recovery} : {...recovery, startedBy: change.keyId}})
  }
}

/** Who accepts an invitation signs with the new key itself, and the coordinator carries out a recovery. */
function adderOf(now: Keys, before: ShownKeys, {command, keyId}: Change): string {
  if (command === 'time.advance') return before.recovery?.startedBy ?? keyId
  if (command !== 'key.accept') return keyId
  const used = before.invites?.find((invite) => !now.invites?.some((open) => open.keyId === invite.keyId))
  return used?.madeBy ?? keyId
}
