import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import type {SignedCommand} from '../../core/protocol/commands.ts'
import {nameSchema} from '../../core/protocol/scalars.ts'
import type {Ledger, LedgerReads} from '../../ledger/port.ts'
import type {Forgetting, SecretStore} from '../secret-store.ts'
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
  const named = signed && commandSchema.safeParse(signed.body).data
  if (signed === undefined || named === undefined) return
  const place = {org: signed.org, app: named.app}
  for (const {function: name, names} of namedBy(named, reads)) {
    const [missing] = secrets.missing(place, names)
    if (missing === undefined) continue
    throw new CreoError('not_found', `${name} names ${missing} among its secrets, which is not set in ${place.org}/${place.app}.`, {
      hint: `creo secrets set ${place.org}/${place.app} ${missing}`
    })
  }
}

/** What a command that destroys an app will have to forget: nothing needs the values of its secrets any more. */
export function forgettingOf({reads}: Pick<Ledger, 'reads'>, command: SignedCommand, untilMs: number): Forgetting | undefined {
  const signed = signedBody(reads, command, ['app.destroy'])
  const destroyed = signed && destroySchema.safeParse(signed.body).data
  if (signed === undefined || destroyed === undefined || reads.app(signed.org, destroyed.app) === undefined) return undefined
  return {org: signed.org, app: destroyed.app, untilMs, keyId: command.keyId}
}

/** At a start: forgets the secrets of apps that were destroyed right before the process was killed. */
export async function finishForgetting({reads}: Pick<Ledger, 'reads'>, secrets: SecretStore): Promise<void> {
  for (const open of secrets.forgetting()) {
    const stands = (reads.app(open.org, open.app)?.routes.length ?? 0) > 0
    if (stands) secrets.keepAll(open)
    else await secrets.unsetAll(open)
  }
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
