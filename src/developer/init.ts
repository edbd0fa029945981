import {cp, readdir, writeFile} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import {fileURLToPath} from 'node:url'
import {makeFolders} from '../config/make-folder.ts'
import {programFile} from '../config/paths.ts'
import {openUserConfig} from '../config/user-config.ts'
import {CreoError} from '../core/errors.ts'
import {manifestJsonSchema} from '../core/manifest-schema.ts'
import {incentiveIdSchema, nameSchema} from '../core/protocol/scalars.ts'
import {MANIFEST_NAME} from './read-manifest.ts'
import {TEMPLATES, type TemplateName} from './templates.ts'

/** Lies beside the manifest, whose first line names it for editors. */
const SCHEMA_NAME = 'creo.schema.json'
const PLACE = programFile('packaging/templates/')

function manifestText({app, org, incentive, template}: NewApp): string {
  return `# yaml-language-server: $schema=${SCHEMA_NAME}
app: ${app}
org: ${org}
routes:
  - path: /
    function: web
functions:
  web:
    source: ./web
${TEMPLATES[template].lines.map((line) => `    ${line}\n`).join('')}    memory: 128MiB
    cpu: 0.5
    scale: {min: 0, max: 4}
${rewardsText(incentive)}`
}

/** What hosts are paid. Without an incentive nobody hosts the app, unless its org is the exchange's, whose hosts the epochs pay. */
function rewardsText(incentive: string | undefined): string {
  if (incentive === undefined)
    return '    # Nobody hosts what pays nothing: the first creo deploy asks what hosts get, and writes it here.\n    rewards: []\n'
  return `    # What hosts earn, per 10^6 requests and per 10^6 MiB·ms (128 MiB for a second is 0.128 of that).
    rewards:
      - incentive: ${incentive}
        perMillion: {requests: "1000", mibMs: "0.5"}
        dailyBudget: "50"
`
}

export interface NewApp {
  readonly app: string
  readonly org: string
  /** `org/CODE` that hosts are paid in. */
  readonly incentive: string | undefined
  readonly template: TemplateName
}

/** Who owns a new app: as typed, else the account that commands act as. @throws {CreoError} `usage` when there is neither. */
export function orgOf(typed: string | undefined): string {
  const org = typed ?? openUserConfig(process.env).read().defaultAccount
  if (org === undefined)
    throw new CreoError('usage', 'Whose app it is has not been said.', {hint: 'Name the account that will own it: --org NAME'})
  return org
}

/**
 * Writes a small app that can be deployed once its incentive is issued and funded.
 * @throws {CreoError} `conflict` when the folder holds anything already; `invalid_input` for names that can't be names.
 */
export async function initApp(folder: string, newApp: NewApp): Promise<readonly string[]> {
  const {app, org, incentive} = newApp
  if (incentive !== undefined && !incentiveIdSchema.safeParse(incentive).success) {
    throw new CreoError('invalid_input', `"${incentive}" is not an incentive.`, {hint: `Write org/CODE, for example ${org}/LEAF.`})
  }
  for (const name of [app, org]) {
    if (nameSchema.safeParse(name).success) continue
    throw new CreoError('invalid_input', `"${name}" can't be the name of an app or org.`, {
      hint: 'Use 2 to 20 lower-case letters, digits and single hyphens, starting with a letter.'
    })
  }
  const root = resolve(folder)
  const present = await readdir(root).catch(() => [])
  if (present.length > 0) throw new CreoError('conflict', `${root} is not empty.`, {hint: 'Name a new folder: creo init FOLDER'})
  makeFolders(root, 'CREO_DATA_DIR')
  await writeFile(join(root, MANIFEST_NAME), manifestText(newApp), {flag: 'wx'})
  await writeFile(join(root, SCHEMA_NAME), `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`, {flag: 'wx'})
  const from = fileURLToPath(new URL(newApp.template, PLACE))
  await cp(from, join(root, 'web'), {recursive: true, errorOnExist: true, force: false})
  const files = (await readdir(join(root, 'web'), {recursive: true, withFileTypes: true})).filter((file) => file.isFile())
  return [...[MANIFEST_NAME, SCHEMA_NAME].map((name) => join(root, name)), ...files.map((file) => join(file.parentPath, file.name)).sort()]
}
