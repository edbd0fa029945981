import {z} from 'zod'
import {CreoError} from '../core/errors.ts'

const madeSchema = z.object({revisions: z.array(z.object({function: z.string(), revision: z.string()}))})

/** What the ledger says that a deploy made. @throws {CreoError} `deploy_failed` when it doesn't say so. */
export function madeRevisions(result: unknown): readonly {readonly function: string; readonly revision: string}[] {
  const made = madeSchema.safeParse(result)
  if (made.success) return made.data.revisions
  throw new CreoError('deploy_failed', 'The coordinator took the deploy, but does not say what it made.', {
    hint: 'Run the same command again.'
  })
}
