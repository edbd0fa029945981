import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import type {SignedCommand} from '../../core/protocol/commands.ts'
import {nameSchema} from '../../core/protocol/scalars.ts'
import type {LedgerReads} from '../../ledger/port.ts'
import type {RouteTools} from './route.ts'
import type {SecretTools} from './routes-secrets.ts'
import {signedBody} from './signed-body.ts'

const TYPES = ['revision.deploy', 'traffic.set'] as const

const spec = z.looseObject({secrets: z.array(z.string()).optional()})
const revision = z.looseObject({revision: z.string()})
const commandSchema = z.discriminatedUnion('type', [
  z.looseObject({type: z.literal(TYPES[0]), app: nameSchema, revisions: z.array(z.looseObject({function: z.string(), spec}))}),
  z.looseObject({
    type: z.literal(TYPES[1]),
    app: nameSchema,
    functions: z.array(z.looseObject({function: z.string(), traffic: z.array(revision).optional(), tags: z.array(revision).optional()}))
  })
])

const destroySchema = z.looseObject({type: z.literal('app.destroy'), app: nameSchema})

/**
 * Refuses to let a revision serve that names a secret which isn't set, before the ledger sees it: the ledger knows of no secrets. What is wrong
 * otherwise is the ledger's to say, and who may not deploy learns nothing here.
 * @throws {CreoError} `not_found`
 */
export function refuseUnsetSecrets({ledger: {reads}, secrets}: RouteTools & Pick<SecretTools, 'secrets'>, command: SignedCommand): void {
  const signed = signedBody(reads, command, TYPES)
  const parsed = commandSchema.safeParse(signed?.body)
  if (!parsed.success || signed === undefined) return
  const place = {org: signed.org, app: parsed.data.app}
  for (const {function: name, names} of namedBy(parsed.data, reads)) {
    const [missing] = secrets.missing(place, names)
    if (missing === undefined) continue
    throw new CreoError('not_found', `${name} names ${missing} among its secrets, which is not set in ${place.org}/${place.app}.`, {
      hint: `creo secrets set ${missing} --app ${place.org}/${place.app}`
    })
  }
}

/** Forgets the secrets of an app that a command has destroyed: nothing needs their values any more. Destroying it again repeats what a crash left undone. */
export async function unsetDestroyed(
  {ledger: {reads}, secrets}: RouteTools & Pick<SecretTools, 'secrets'>,
  command: SignedCommand,
  untilMs: number
): Promise<void> {
  const signed = signedBody(reads, command, ['app.destroy'])
  const destroyed = destroySchema.safeParse(signed?.body).data
  if (signed === undefined || destroyed === undefined) return
  await secrets.unsetAll({org: signed.org, app: destroyed.app}, {untilMs, keyId: command.keyId})
}

interface NamedSecrets {
  readonly function: string
  readonly names: readonly string[]
}

function namedBy(command: z.output<typeof commandSchema>, reads: LedgerReads): NamedSecrets[] {
  if (command.type === 'revision.deploy') return command.revisions.map((one) => ({function: one.function, names: one.spec.secrets ?? []}))
  return command.functions.flatMap(({function: name, traffic = [], tags = []}) =>
    [...traffic, ...tags].map((one) => ({function: name, names: reads.revision(one.revision)?.spec.secrets ?? []}))
  )
}
