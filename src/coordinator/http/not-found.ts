import {CreoError} from '../../core/errors.ts'
import {nearestOf} from '../../core/nearest.ts'
import type {AccountView, AppView, LedgerReads} from '../../ledger/port.ts'

/** An app that is or was there. @throws {CreoError} `not_found`, with the org's app that was most likely meant. */
export function knownApp(reads: LedgerReads, org: string, app: string): AppView {
  const found = reads.app(org, app)
  if (found !== undefined) return found
  const nearest = nearestOf(app, reads.appNames(org))
  if (nearest !== undefined) throw new CreoError('not_found', `${org} has no app "${app}".`, {hint: `Did you mean ${org}/${nearest}?`})
  if (reads.account(org) === undefined) throw noAccount(reads, org, 'creo apps')
  throw new CreoError('not_found', `${org} has no app "${app}".`, {hint: 'creo deploy'})
}

/** @throws {CreoError} `not_found`, with the account that was most likely meant. */
export function knownAccount(reads: LedgerReads, idOrName: string): AccountView {
  const found = reads.account(idOrName)
  if (found !== undefined) return found
  throw noAccount(reads, idOrName, `creo account create ${idOrName}`)
}

function noAccount(reads: LedgerReads, name: string, otherwise: string): CreoError {
  const nearest = nearestOf(name, reads.accountNames(name.slice(0, 1)))
  return new CreoError('not_found', `There is no account "${name}".`, {
    hint: nearest === undefined ? otherwise : `Did you mean ${nearest}?`
  })
}
