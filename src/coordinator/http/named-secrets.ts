import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import type {SignedCommand} from '../../core/protocol/commands.ts'
import {nameSchema} from '../../core/protocol/scalars.ts'
import {secretNameSchema} from '../../core/protocol/secrets.ts'
import {verifyCommand} from '../../identity/commands.ts'
import type {RouteTools} from './route.ts'
import type {SecretTools} from './routes-secrets.ts'

/** Looked for in the text: no other command is parsed a second time. */
const DEPLOY = 'revision.deploy'

const deploySchema = z.looseObject({
  type: z.literal(DEPLOY),
  app: nameSchema,
  revisions: z.array(z.looseObject({function: z.string(), spec: z.looseObject({secrets: z.array(secretNameSchema).optional()})}))
})

/**
 * Refuses a deploy that names a secret which isn't set, before the ledger sees it: the ledger knows of no secrets. What is wrong otherwise is the
 * ledger's to say, and who may not deploy learns nothing here.
 * @throws {CreoError} `not_found`
 */
export function refuseUnsetSecrets({ledger, secrets}: RouteTools & Pick<SecretTools, 'secrets'>, command: SignedCommand): void {
  if (!command.body.includes(`"${DEPLOY}"`)) return
  const deploy = deploySchema.safeParse(jsonOf(command.body))
  const account = ledger.reads.account(command.account)
  const key = account?.keys.find(({keyId}) => keyId === command.keyId)
  if (!deploy.success || account === undefined || key === undefined || !verifyCommand(command, key.publicKey)) return
  const {app, revisions} = deploy.data
  for (const {function: name, spec} of revisions) {
    const [missing] = secrets.missing({org: account.name, app}, spec.secrets ?? [])
    if (missing === undefined) continue
    throw new CreoError('not_found', `${name} names ${missing} among its secrets, which is not set in ${account.name}/${app}.`, {
      hint: `creo secrets set ${missing} --app ${account.name}/${app}`
    })
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
