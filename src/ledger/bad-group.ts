import {CreoError} from '../core/errors.ts'

/** A journal group that is not what its network's rules make of it. */
export class BadGroup extends Error {
  readonly group: number

  constructor(group: number, reason: string, cause?: unknown) {
    super(reason, {cause})
    this.group = group
  }
}

/** The journal alone is not enough: what was made of it, ledger.sqlite and the snapshot, is of the damaged one. */
export const RESTORE_HINT =
  'Restore a backup into a new folder: creo coordinator restore FILE --data DIR. Where only journal.sqlite was saved, put it back and delete ledger.sqlite and ledger.snapshot; "creo ledger verify" says more.'

/** What is said of a bad group to who opens the ledger. */
export function refusalOf({group, message, cause}: BadGroup): CreoError {
  return new CreoError('verification_failed', `Group ${group} of the journal ${message}.`, {
    hint: RESTORE_HINT,
    cause
  })
}
