import {createHash, generateKeyPairSync} from 'node:crypto'
import {readFileSync, writeFileSync} from 'node:fs'
import {basename, dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {makeExecutable} from '../../packaging/package/executable.ts'
import {publicKeyFile, publicKeyLine, signFile} from '../../packaging/package/signature.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const MAKE_TIMEOUT_MS = 600_000

export interface SignedRelease {
  readonly executable: string
  /** As `--public-key` takes it. */
  readonly publicKey: string
}

/** Packages this checkout for x64 in `folder`, as a publisher with a new key would: its checksums are signed, its key lies beside them and is known to it. */
export async function makeSignedRelease(folder: string): Promise<SignedRelease> {
  const key = generateKeyPairSync('ed25519').privateKey.export({type: 'pkcs8', format: 'pem'}).toString()
  const publicKey = publicKeyLine(key)
  const signal = AbortSignal.timeout(MAKE_TIMEOUT_MS)
  const executable = await makeExecutable({root, output: folder, architecture: 'x64', published: {publicKey}, signal})
  await execa('xz', ['-1', '--keep', '--threads=2', executable], {cancelSignal: signal})
  const sums = [executable, `${executable}.xz`].map((file) => `${sha256(file)}  ${basename(file)}\n`).join('')
  const {version} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {version: string}
  const place = dirname(executable)
  writeFileSync(join(place, 'SHA256SUMS'), sums)
  writeFileSync(join(place, 'SHA256SUMS.minisig'), signFile(Buffer.from(sums), `creo ${version}`, key))
  writeFileSync(join(place, 'creo.pub'), publicKeyFile(key))
  return {executable, publicKey}
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}
