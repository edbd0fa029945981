import type Database from 'better-sqlite3'
import type {AccountView} from './port.ts'

export const ACCOUNTS = 'SELECT id, name, created_at_ms AS createdAtMs, keys, invites, recovery FROM accounts'

/** By which number other tables know an account. */
export function accountNumbers(database: Database.Database): Database.Statement<[string], number> {
  return database.prepare<[string], number>('SELECT number FROM accounts WHERE id = ?').pluck()
}

export interface AccountRow {
  readonly id: string
  readonly name: string
  readonly createdAtMs: number
  readonly keys: string
  readonly invites: string | null
  readonly recovery: string | null
}

export function accountView(row: AccountRow): AccountView {
  const {invites, recovery, keys, ...rest} = row
  return {
    ...rest,
    keys: JSON.parse(keys) as AccountView['keys'],
    ...(invites !== null && {invites: JSON.parse(invites) as AccountView['invites']}),
    ...(recovery !== null && {recovery: JSON.parse(recovery) as AccountView['recovery']})
  }
}
