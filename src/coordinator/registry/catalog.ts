import {mkdir, readdir, readFile, rm, rmdir, stat, utimes} from 'node:fs/promises'
import {join, relative} from 'node:path'
import {z} from 'zod'
import {writeFileDurably} from '../../config/durable-file.ts'
import {CreoError} from '../../core/errors.ts'
import {type Digest, digestHex, isDigest} from '../../images/digest.ts'
import {descriptorSchema} from '../../images/oci.ts'
import {OciError} from './oci-error.ts'
import {orgOf} from './repository-name.ts'

const REPOSITORIES_PER_ORG_MAX = 20_000
const MANIFESTS_MAX = 10_000
const TAGS_MAX = 1_000
const PART = {manifests: '_manifests', tags: '_tags', referrers: '_referrers'} as const
const JSON_FILE = /^(.+)\.json$/
/** What a process that was killed left of a file that it was writing. */
const UNFINISHED_FILE = /\.new$/

const digestSchema = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value))

const linkSchema = z.object({
  digest: digestSchema,
  mediaType: z.string(),
  size: z.number().int().nonnegative(),
  /** What the manifest names: its config and layers, or the manifests of an index. Older links lack them. */
  blobs: z.array(digestSchema).optional(),
  manifests: z.array(digestSchema).optional(),
  /** The manifest that it says something about; it need not be there. */
  subject: digestSchema.optional()
})

/** A manifest that a repository has. Its bytes are a blob of the store. */
export type ManifestLink = Readonly<z.infer<typeof linkSchema>>

/** What the list of a manifest's referrers says of one of them. */
export const referrerSchema = descriptorSchema.extend({artifactType: z.string().max(255).optional()})
export type Referrer = z.infer<typeof referrerSchema>

export interface LinkChange {
  readonly link: ManifestLink
  readonly tag?: string
  /** Of a manifest with a subject. */
  readonly referrer?: Referrer
  readonly nowMs: number
}

/** Which manifests and tags each repository has. Names are checked by the caller. */
export interface ManifestCatalog {
  /** Links the manifest into the repository, and the tag to it. On stable storage when it resolves. */
  put(repository: string, change: LinkChange): Promise<void>
  /** By tag or by digest. */
  find(repository: string, reference: string): Promise<ManifestLink | undefined>
  /** Says that somebody counts on the manifest as of now. */
  touch(repository: string, digest: Digest, nowMs: number): Promise<void>
  /** All tags in order, or undefined for a repository that has nothing. */
  tags(repository: string): Promise<readonly string[] | undefined>
  untag(repository: string, tag: string): Promise<void>
  /** Takes a manifest out, first the tags that lead to it: a tag always leads to a manifest. */
  remove(repository: string, digest: Digest): Promise<void>
  /** What says something about this manifest, in the order of their digests. */
  referrers(repository: string, subject: Digest): AsyncIterable<Referrer>
  /** Every repository that has something, or had. */
  repositories(): AsyncIterable<string>
  /** All manifests of a repository, with when they were last counted on and their tags. */
  manifests(repository: string): Promise<readonly LinkedManifest[]>
  /** Clears away what killed processes left in a repository, and its folders when they are empty. */
  tidy(repository: string): Promise<void>
}

export interface LinkedManifest {
  readonly link: ManifestLink
  readonly usedAtMs: number
  readonly isTagged: boolean
}

/**
 * A catalog in a directory: `<repository>/_manifests/<hex>.json`, `<repository>/_tags/<tag>.json` and `<repository>/_referrers/<hex of the
 * subject>/<hex>.json`; no repository's name has such a part.
 */
export async function openManifestCatalog(
  directory: string,
  {repositoriesPerOrgMax = REPOSITORIES_PER_ORG_MAX}: {readonly repositoriesPerOrgMax?: number} = {}
): Promise<ManifestCatalog> {
  try {
    await mkdir(directory, {recursive: true})
  } catch (cause) {
    throw new CreoError('data_dir_unwritable', `"${directory}" cannot be made.`, {
      hint: 'Make the directory writable for this user.',
      cause
    })
  }
  return new DiskCatalog(directory, repositoriesPerOrgMax)
}

class DiskCatalog implements ManifestCatalog {
  readonly #directory: string
  readonly #repositoriesPerOrgMax: number
  /** By org, of those that were counted since one of them was last tidied away. */
  readonly #repositoryCounts = new Map<string, number>()

  constructor(directory: string, repositoriesPerOrgMax: number) {
    this.#directory = directory
    this.#repositoriesPerOrgMax = repositoriesPerOrgMax
  }

  /** The referrer comes first: a list leaves out what is not linked, and a client that finds a manifest linked does not send it again. */
  async put(repository: string, {link, tag, referrer, nowMs}: LinkChange): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(link))
    const manifests = this.#of(repository, PART.manifests)
    const tags = this.#of(repository, PART.tags)
    const isKnown = (await this.find(repository, link.digest)) !== undefined
    if (!isKnown) {
      await this.#countRepository(repository)
      await assertRoom(manifests, MANIFESTS_MAX, 'manifests')
    }
    if (tag !== undefined && !(await this.find(repository, tag))) await assertRoom(tags, TAGS_MAX, 'tags')
    if (link.subject !== undefined && referrer !== undefined) {
      const directory = join(this.#of(repository, PART.referrers), digestHex(link.subject))
      await writeInto(directory, jsonName(link.digest), Buffer.from(JSON.stringify(referrer)))
    }
    if (isKnown) await this.touch(repository, link.digest, nowMs)
    else await writeInto(manifests, jsonName(link.digest), bytes)
    if (tag !== undefined) await writeInto(tags, `${tag}.json`, bytes)
  }

  async find(repository: string, reference: string): Promise<ManifestLink | undefined> {
    const path = isDigest(reference)
      ? join(this.#of(repository, PART.manifests), jsonName(reference))
      : join(this.#of(repository, PART.tags), `${reference}.json`)
    return readLink(path)
  }

  async touch(repository: string, digest: Digest, nowMs: number): Promise<void> {
    const at = new Date(nowMs)
    await utimes(join(this.#of(repository, PART.manifests), jsonName(digest)), at, at).catch(nothingIfAbsent)
  }

  async tags(repository: string): Promise<readonly string[] | undefined> {
    const manifests = await readdir(this.#of(repository, PART.manifests)).catch(nothingIfAbsent)
    return manifests === undefined ? undefined : (await jsonNames(this.#of(repository, PART.tags))).sort()
  }

  async untag(repository: string, tag: string): Promise<void> {
    await rm(join(this.#of(repository, PART.tags), `${tag}.json`), {force: true})
  }

  async remove(repository: string, digest: Digest): Promise<void> {
    const link = await this.find(repository, digest)
    for (const tag of (await this.tags(repository)) ?? []) {
      if ((await this.find(repository, tag))?.digest === digest) await this.untag(repository, tag)
    }
    await rm(join(this.#of(repository, PART.manifests), jsonName(digest)), {force: true})
    if (link?.subject === undefined) return
    await rm(join(this.#of(repository, PART.referrers), digestHex(link.subject), jsonName(digest)), {force: true})
  }

  async *referrers(repository: string, subject: Digest): AsyncGenerator<Referrer> {
    const directory = join(this.#of(repository, PART.referrers), digestHex(subject))
    for (const name of (await jsonNames(directory)).sort()) {
      const text = await readFile(join(directory, `${name}.json`), 'utf8').catch(nothingIfAbsent)
      if (text === undefined) continue
      const referrer = referrerSchema.parse(JSON.parse(text))
      if (await this.find(repository, referrer.digest)) yield referrer
    }
  }

  repositories(): AsyncGenerator<string> {
    return this.#repositoriesIn(this.#directory)
  }

  async *#repositoriesIn(root: string): AsyncGenerator<string> {
    const open = [root]
    for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
      const entries = (await readdir(directory, {withFileTypes: true}).catch(nothingIfAbsent)) ?? []
      const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
      if (folders.some((name) => name.startsWith('_'))) yield relative(this.#directory, directory)
      for (const name of folders) if (!name.startsWith('_')) open.push(join(directory, name))
    }
  }

  async manifests(repository: string): Promise<readonly LinkedManifest[]> {
    const tagged = new Set<Digest>()
    for (const tag of await jsonNames(this.#of(repository, PART.tags))) {
      const link = await this.find(repository, tag)
      if (link) tagged.add(link.digest)
    }
    const linked: LinkedManifest[] = []
    for (const name of await jsonNames(this.#of(repository, PART.manifests))) {
      const path = join(this.#of(repository, PART.manifests), `${name}.json`)
      const [link, stats] = await Promise.all([readLink(path), stat(path).catch(nothingIfAbsent)])
      if (link && stats) linked.push({link, usedAtMs: stats.mtimeMs, isTagged: tagged.has(link.digest)})
    }
    return linked
  }

  async tidy(repository: string): Promise<void> {
    this.#repositoryCounts.delete(orgOf(repository))
    const referrers = this.#of(repository, PART.referrers)
    for (const subject of (await readdir(referrers).catch(nothingIfAbsent)) ?? []) {
      for (const name of await jsonNames(join(referrers, subject))) {
        const isLinked = await this.find(repository, `sha256:${name}`)
        if (!isLinked) await rm(join(referrers, subject, `${name}.json`), {force: true})
      }
      await tidyFolder(join(referrers, subject))
    }
    for (const part of [PART.tags, PART.manifests, PART.referrers]) await tidyFolder(this.#of(repository, part))
    await tidyFolder(join(this.#directory, repository))
  }

  /** A new repository takes a place of its org's: a manifest that is here already costs nothing, and could be linked into any number of them. */
  async #countRepository(repository: string): Promise<void> {
    if ((await readdir(this.#of(repository, PART.manifests)).catch(nothingIfAbsent)) !== undefined) return
    const org = orgOf(repository)
    let count = this.#repositoryCounts.get(org)
    if (count === undefined) {
      count = 0
      for await (const _ of this.#repositoriesIn(join(this.#directory, org))) count += 1
    }
    if (count >= this.#repositoriesPerOrgMax) {
      throw new OciError('DENIED', 403, 'rejected', `${org} has ${count} repositories, which is the most an org may have.`, {
        hint: 'Delete images that are not used, and ask again in a while.'
      })
    }
    this.#repositoryCounts.set(org, count + 1)
  }

  #of(repository: string, part: string): string {
    return join(this.#directory, repository, part)
  }
}

function jsonName(digest: Digest): string {
  return `${digestHex(digest)}.json`
}

async function jsonNames(directory: string): Promise<string[]> {
  const names = (await readdir(directory).catch(nothingIfAbsent)) ?? []
  return names.flatMap((name) => JSON_FILE.exec(name)?.[1] ?? [])
}

async function readLink(path: string): Promise<ManifestLink | undefined> {
  const text = await readFile(path, 'utf8').catch(nothingIfAbsent)
  return text === undefined ? undefined : linkSchema.parse(JSON.parse(text))
}

async function tidyFolder(directory: string): Promise<void> {
  const names = (await readdir(directory).catch(nothingIfAbsent)) ?? []
  const unfinished = names.filter((name) => UNFINISHED_FILE.test(name))
  for (const name of unfinished) await rm(join(directory, name), {force: true})
  if (names.length === unfinished.length) await rmdir(directory).catch(nothingIfAbsent)
}

async function assertRoom(directory: string, most: number, what: string): Promise<void> {
  const names = (await readdir(directory).catch(nothingIfAbsent)) ?? []
  if (names.length >= most)
    throw new OciError('DENIED', 403, 'rejected', `A repository has at most ${most} ${what}.`, {hint: 'Delete some of them.'})
}

async function writeInto(directory: string, name: string, bytes: Buffer): Promise<void> {
  await mkdir(directory, {recursive: true})
  await writeFileDurably(join(directory, name), bytes)
}

function nothingIfAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}
