import {mkdir, readdir, writeFile} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {nameSchema} from '../core/protocol/scalars.ts'
import {MANIFEST_NAME} from './read-manifest.ts'

const SERVER = `import {createServer} from 'node:http'

const server = createServer((request, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({hello: 'world', path: request.url}))
})

server.listen(Number(process.env.PORT))
process.on('SIGTERM', () => server.close())
`

function manifestText(app: string, org: string): string {
  return `app: ${app}
org: ${org}
routes:
  - path: /
    function: web
functions:
  web:
    source: ./web
    base: node
    command: [node, server.mjs]
    memory: 128MiB
    cpu: 0.5
    scale: {min: 0, max: 4}
    # What miners earn for it, once the incentive is issued and its pool funded:
    # rewards:
    #   - incentive: ${org}/CODE
    #     perMillion: {requests: "1000", mibMs: "0.5"}
    #     dailyBudget: "50"
    rewards: []
`
}

/**
 * Writes a small app that can be deployed as it is.
 * @throws {CreoError} `conflict` when the folder holds anything already; `invalid_input` for names that can't be names.
 */
export async function initApp(folder: string, {app, org}: {readonly app: string; readonly org: string}): Promise<readonly string[]> {
  for (const name of [app, org]) {
    if (nameSchema.safeParse(name).success) continue
    throw new CreoError('invalid_input', `"${name}" can't be the name of an app or org.`, {
      hint: 'Use 2 to 20 lower-case letters, digits and single hyphens, starting with a letter.'
    })
  }
  const root = resolve(folder)
  const present = await readdir(root).catch(() => [])
  if (present.length > 0) throw new CreoError('conflict', `${root} is not empty.`, {hint: 'Name a new folder: creo init FOLDER'})
  const files = {[MANIFEST_NAME]: manifestText(app, org), 'web/server.mjs': SERVER, 'web/.creoignore': '.git\n*.log\n'}
  await mkdir(join(root, 'web'), {recursive: true})
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, name), text, {flag: 'wx'})
  return Object.keys(files).map((name) => join(root, name))
}
