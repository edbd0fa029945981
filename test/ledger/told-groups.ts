import {z} from 'zod'
import {bodyOfTold} from '../../src/ledger/group.ts'

/** A journal's group as it is told, and as a replay takes it. Of earlier versions none said its form. */
export const toldGroupSchema = z
  .object({
    number: z.int(),
    firstSeq: z.int(),
    lastSeq: z.int(),
    ruleset: z.string(),
    prevHash: z.string(),
    hash: z.string(),
    form: z.int().optional(),
    body: z.string()
  })
  .transform(({form, body, ...place}) => ({...place, body: bodyOfTold({...(form !== undefined && {form}), body})}))
