import {basename, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {z} from 'zod'
import {readFileIfThere} from '../../config/durable-file.ts'
import {programFile} from '../../config/paths.ts'
import {CreoError} from '../../core/errors.ts'

/** What dpkg has installed for the package. */
const DPKG_LIST = '/var/lib/dpkg/info/creo.list'
const LIST_BYTES_MAX = 1024 * 1024

/** What the publisher built in: a public key of minisign, and where releases lie. */
const publishedSchema = z.object({publicKey: z.string().optional(), url: z.string().optional()})
type Published = z.output<typeof publishedSchema>

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The executable of the packaged program, which alone replaces itself.
 * @throws {CreoError} `usage` in a checkout, from npm and from a package of the system, with what updates creo there.
 */
export async function updatableProgram(env: Environment, dpkgList: string = DPKG_LIST): Promise<string> {
  const executable = env.CREO_PACKAGED
  if (executable === undefined) {
    const folder = fileURLToPath(programFile())
    const isFromNpm = folder.split('/').includes('node_modules')
    throw isFromNpm
      ? new CreoError('usage', 'This creo was installed by npm, which updates it.', {hint: 'npm install -g creo@latest'})
      : new CreoError('usage', `This creo runs from a checkout: ${folder}`, {hint: 'git pull, then npm run build'})
  }
  const listed = (await readFileIfThere(dpkgList, LIST_BYTES_MAX))?.toString('utf8').split('\n') ?? []
  if (listed.includes(executable)) {
    throw new CreoError('usage', 'This creo was installed as a package of the system, which updates it.', {
      hint: 'sudo apt install ./creo_VERSION_ARCHITECTURE.deb, of the release that you want'
    })
  }
  return executable
}

/** What was built in when the program was packaged; nothing of it in a checkout. */
export async function readPublished(file: URL = programFile('release.json')): Promise<Published> {
  const bytes = await readFileIfThere(fileURLToPath(file), LIST_BYTES_MAX)
  return bytes === undefined ? {} : publishedSchema.parse(JSON.parse(bytes.toString('utf8')))
}

/** Where the parts of a swap lie, all in the folder of the executable, so that each rename is atomic. */
export function placesOf(executable: string): {readonly candidate: string; readonly previous: string; readonly link: string} {
  const beside = (word: string): string => join(executable, '..', `.${basename(executable)}-${word}`)
  return {candidate: beside('new'), previous: beside('previous'), link: beside('link')}
}
