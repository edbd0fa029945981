import {execFile} from 'node:child_process'
import {createHash} from 'node:crypto'
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {basename, join, resolve} from 'node:path'
import {fileURLToPath} from 'node:url'
import {parseArgs, promisify} from 'node:util'
import type {Architecture} from './app-files.ts'
import {makeDebianPackage} from './debian-package.ts'
import {makeExecutable} from './executable.ts'
import {installScript} from './install-script.ts'
import {makeNpmPackage} from './npm-package.ts'
import {sbom} from './sbom.ts'
import {publicKeyFile, publicKeyLine, signFile} from './signature.ts'

/** One architecture, on a slow machine. */
const PACKAGE_TIMEOUT_MS = 1_800_000
/** Of xz: needs 9 MiB to unpack; the highest makes it smaller by a hundredth and needs 65. */
const XZ_LEVEL = '-6'
const MIB = 1024 * 1024
const ARCHITECTURES: readonly Architecture[] = ['x64', 'arm64']
const USAGE = 'npm run package -- [--output FOLDER] [--arch x64|arm64] [--key FILE] [--url URL]'

const root = fileURLToPath(new URL('../../', import.meta.url))
const run = promisify(execFile)

/** Makes all that is published of a version in one folder. */
async function main(): Promise<void> {
  const {output, architectures, keyFile, url} = settings()
  const key = keyFile === undefined ? undefined : readKey(keyFile)
  if (!existsSync(join(root, 'bundle'))) throw new Error('creo is not built here, which is what is packaged: npm run build')
  const published = {...(key === undefined ? {} : {publicKey: publicKeyLine(key)}), ...(url === undefined ? {} : {url})}
  const signal = AbortSignal.timeout(PACKAGE_TIMEOUT_MS * architectures.length)
  mkdirSync(output, {recursive: true})
  const files: string[] = []
  for (const architecture of architectures) {
    const executable = await makeExecutable({root, output, architecture, published, signal})
    const [debianPackage] = await Promise.all([
      makeDebianPackage({root, output, architecture, executable, signal}),
      run('xz', [XZ_LEVEL, '--threads=1', '--keep', '--force', executable], {signal})
    ])
    files.push(executable, `${executable}.xz`, debianPackage)
  }
  const sbomFile = join(output, 'creo.cdx.json')
  writeFileSync(sbomFile, sbom(root))
  const script = join(output, 'install.sh')
  writeFileSync(script, installScript(readFileSync(join(root, 'packaging', 'install.sh'), 'utf8'), published), {mode: 0o755})
  files.push(sbomFile, script, await makeNpmPackage(root, output, signal))
  const sums = files.map((file) => `${sha256(file)}  ${basename(file)}\n`).join('')
  writeFileSync(join(output, 'SHA256SUMS'), sums)
  if (key !== undefined) {
    writeFileSync(join(output, 'SHA256SUMS.minisig'), signFile(Buffer.from(sums), `creo ${version()}`, key))
    writeFileSync(join(output, 'creo.pub'), publicKeyFile(key))
  }
  for (const file of files) console.log(`${(readFileSync(file).length / MIB).toFixed(1).padStart(6)} MiB  ${file}`)
  if (key === undefined) console.log('Not signed: name an Ed25519 key in PEM by --key or CREO_SIGNING_KEY_FILE.')
}

function settings(): {
  readonly output: string
  readonly architectures: readonly Architecture[]
  readonly keyFile: string | undefined
  readonly url: string | undefined
} {
  const {values} = parseArgs({options: {output: {type: 'string'}, arch: {type: 'string'}, key: {type: 'string'}, url: {type: 'string'}}})
  const architectures = ARCHITECTURES.filter((name) => values.arch === undefined || values.arch === name)
  if (architectures.length === 0) throw new Error(`creo is not packaged for "${values.arch}". ${USAGE}`)
  return {
    output: resolve(values.output ?? join(root, 'dist-package')),
    architectures,
    keyFile: values.key ?? process.env.CREO_SIGNING_KEY_FILE,
    url: values.url
  }
}

function readKey(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Error(`The key ${file} can't be read: name an Ed25519 key in PEM by --key or CREO_SIGNING_KEY_FILE.`, {cause})
  }
}

function version(): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {version: string}).version
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
