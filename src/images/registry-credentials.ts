import {readFile} from 'node:fs/promises'
import {homedir} from 'node:os'
import {join} from 'node:path'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'

const FILE_BYTES_MAX = 2 ** 20

export interface Credentials {
  readonly user: string
  readonly password: string
}

const entrySchema = z.object({auth: z.string().optional(), username: z.string().optional(), password: z.string().optional()})
const fileSchema = z.object({auths: z.record(z.string(), entrySchema).optional()})

/**
 * What `podman login`, `skopeo login`, `buildah login` or `docker login` have stored for a repository, the most specific entry of the first file
 * that has one: containers-auth.json(5). Helpers that hold passwords elsewhere are not asked.
 * @throws {CreoError} `invalid_input` for a file that is damaged.
 */
export async function findCredentials(
  {host, repository}: {readonly host: string; readonly repository: string},
  env: Readonly<Record<string, string | undefined>>
): Promise<Credentials | undefined> {
  const parts = repository.split('/')
  const keys = [...parts.keys()].map((at) => `${host}/${parts.slice(0, parts.length - at).join('/')}`)
  for (const path of credentialFiles(env)) {
    const auths = await readAuths(path)
    // Docker writes addresses where podman writes hosts.
    const found = [...keys, host, `https://${host}`, `https://${host}/`].map((key) => auths[key]).find((entry) => entry !== undefined)
    const credentials = found && credentialsOf(found, path)
    if (credentials !== undefined) return credentials
  }
  return undefined
}

function credentialFiles(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const home = env.HOME || homedir()
  const given = env.REGISTRY_AUTH_FILE
  if (given) return [given]
  const runtime = env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, 'containers') : `/run/containers/${process.getuid?.() ?? 0}`
  return [
    join(runtime, 'auth.json'),
    join(env.XDG_CONFIG_HOME || join(home, '.config'), 'containers/auth.json'),
    join(env.DOCKER_CONFIG || join(home, '.docker'), 'config.json')
  ]
}

async function readAuths(path: string): Promise<Readonly<Record<string, z.infer<typeof entrySchema>>>> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return {}
  try {
    if (text.length > FILE_BYTES_MAX) throw new Error('too large')
    return fileSchema.parse(JSON.parse(text)).auths ?? {}
  } catch (cause) {
    throw new CreoError('invalid_input', `${path}, which holds passwords of registries, cannot be read.`, {
      hint: 'Log in anew: podman login HOST',
      cause
    })
  }
}

function credentialsOf(entry: z.infer<typeof entrySchema>, path: string): Credentials | undefined {
  const {username: user, password} = entry
  if (user !== undefined && password !== undefined) return {user, password}
  if (!entry.auth) return undefined
  const text = Buffer.from(entry.auth, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon > 0) return {user: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '')}
  throw new CreoError('invalid_input', `${path} has an entry without user and password.`, {hint: 'Log in anew: podman login HOST'})
}
