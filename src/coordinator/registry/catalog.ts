import {mkdir, readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {writeFileDurably} from '../../config/durable-file.ts'
import {CreoError} from '../../core/errors.ts'
import {type Digest, digestHex, isDigest} from '../../images/digest.ts'

const MANIFESTS_MAX = 10_000
const TAGS_MAX = 1_000

/** A manifest that a repository has. Its bytes are a blob of the store. */
export interface ManifestLink {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
}

const linkSchema = z.object({
  digest: z.custom<Digest>((value) => typeof value === 'string' && isDigest(value)),
  mediaType: z.string(),
  size: z.number().int().nonnegative()
})

/** Which manifests and tags each repository has. Names are checked by the caller. */
export interface ManifestCatalog {
  /** Links the manifest into the repository, and the tag to it. On stable storage when it resolves. */
  put(repository: string, link: ManifestLink, tag?: string): Promise<void>
  /** By tag or by digest. */
  find(repository: string, reference: string): Promise<ManifestLink | undefined>
  /** All tags in order, or undefined for a repository that has nothing. */
  tags(repository: string): Promise<readonly string[] | undefined>
}

/** A catalog in a directory: `<repository>/_manifests/<hex>.json` and `<repository>/_tags/<tag>.json`; no repository's name has such a part. */
export async function openManifestCatalog(directory: string): Promise<ManifestCatalog> {
  try {
    await mkdir(directory, {recursive: true})
  } catch (cause) {
    throw new CreoError('data_dir_unwritable', `"${directory}" cannot be made.`, {
      hint: 'Make the directory writable for this user.',
      cause
    })
  }
  return new DiskCatalog(directory)
}

class DiskCatalog implements ManifestCatalog {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  async put(repository: string, link: ManifestLink, tag?: string): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(link))
    if (!(await this.find(repository, link.digest))) {
      await assertRoom(this.#manifests(repository), MANIFESTS_MAX, 'manifests')
      await writeInto(this.#manifests(repository), `${digestHex(link.digest)}.json`, bytes)
    }
    if (tag === undefined) return
    if (!(await this.find(repository, tag))) await assertRoom(this.#tags(repository), TAGS_MAX, 'tags')
    await writeInto(this.#tags(repository), `${tag}.json`, bytes)
  }

  async find(repository: string, reference: string): Promise<ManifestLink | undefined> {
    const directory = isDigest(reference) ? this.#manifests(repository) : this.#tags(repository)
    const path = join(directory, `${isDigest(reference) ? digestHex(reference) : reference}.json`)
    const text = await readFile(path, 'utf8').catch(nothingIfAbsent)
    return text === undefined ? undefined : linkSchema.parse(JSON.parse(text))
  }

  async tags(repository: string): Promise<readonly string[] | undefined> {
    const manifests = await readdir(this.#manifests(repository)).catch(nothingIfAbsent)
    if (manifests === undefined) return undefined
    const names = (await readdir(this.#tags(repository)).catch(nothingIfAbsent)) ?? []
    return names.flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -'.json'.length)] : [])).sort()
  }

  #manifests(repository: string): string {
    return join(this.#directory, repository, '_manifests')
  }

  #tags(repository: string): string {
    return join(this.#directory, repository, '_tags')
  }
}

async function assertRoom(directory: string, most: number, what: string): Promise<void> {
  const names = (await readdir(directory).catch(nothingIfAbsent)) ?? []
  if (names.length >= most) throw new CreoError('rejected', `A repository has at most ${most} ${what}.`)
}

async function writeInto(directory: string, name: string, bytes: Buffer): Promise<void> {
  await mkdir(directory, {recursive: true})
  await writeFileDurably(join(directory, name), bytes)
}

function nothingIfAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}
