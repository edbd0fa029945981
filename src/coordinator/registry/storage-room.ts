import {mkdir, readdir, rm, statfs} from 'node:fs/promises'
import {join} from 'node:path'
import {writeFileDurably} from '../../config/durable-file.ts'
import {CreoError} from '../../core/errors.ts'
import {type Digest, digestHex} from '../../images/digest.ts'
import {OciError} from './oci-error.ts'
import {Turns} from './turns.ts'

/** The journal may share this disk: images must not fill it. */
const DISK_FREE_BYTES_MIN = 512 * 2 ** 20
const ORG_BYTES_MAX = 20 * 2 ** 30
const ORG_BLOBS_MAX = 20_000
/** Room is asked for in pieces of this size, so that the disk is looked at often enough and not at each chunk. */
export const GRANT_BYTES = 16 * 2 ** 20
const ENTRY = /^([0-9a-f]{64})-(\d{1,15})$/
const MIB = 2 ** 20

export interface StorageLimits {
  readonly diskFreeBytesMin: number
  readonly orgBytesMax: number
  readonly orgBlobsMax: number
  /** Free bytes of the disk that the directory is on. */
  readonly freeBytes: (directory: string) => Promise<number>
}

/**
 * Says what may still be stored: by the disk, and by what each org has stored already. That is kept on disk as empty files
 * `orgs/<org>/<hex>-<bytes>`. A blob counts for the org that sent it first.
 */
export class StorageRoom {
  readonly #directory: string
  readonly #limits: StorageLimits
  /** A file that is being written is not taken for one that a killed process left. */
  readonly #turns = new Turns()
  /** Granted over all uploads and not written yet: the disk does not show them. */
  #grantedBytes = 0

  constructor(directory: string, limits: Partial<StorageLimits> = {}) {
    this.#directory = directory
    this.#limits = {diskFreeBytesMin: DISK_FREE_BYTES_MIN, orgBytesMax: ORG_BYTES_MAX, orgBlobsMax: ORG_BLOBS_MAX, freeBytes, ...limits}
  }

  /**
   * Promises GRANT_BYTES of the disk until `settle` says that they are written or not needed.
   * @throws {CreoError} `unavailable` when the disk would be nearly full; `DENIED` when the org, with `pendingBytes` of uploads, has its share.
   */
  async grant(org: string, pendingBytes: number): Promise<number> {
    await this.#assertShare(org, pendingBytes)
    const free = await this.#limits.freeBytes(this.#directory)
    if (free - this.#grantedBytes - GRANT_BYTES < this.#limits.diskFreeBytesMin) {
      throw new CreoError('unavailable', 'The disk of the registry is nearly full.', {hint: 'Free some disk space on the coordinator.'})
    }
    this.#grantedBytes += GRANT_BYTES
    return GRANT_BYTES
  }

  settle(bytes: number): void {
    this.#grantedBytes -= bytes
  }

  /** Counts a blob for the org, once. */
  async stored(org: string, blob: {readonly digest: Digest; readonly size: number}): Promise<void> {
    const directory = this.#of(org)
    await this.#turns.take(async () => {
      await mkdir(directory, {recursive: true})
      await writeFileDurably(join(directory, `${digestHex(blob.digest)}-${blob.size}`), Buffer.alloc(0))
    })
  }

  /** Whether the blob counts for this org. */
  async holds(org: string, blob: {readonly digest: Digest; readonly size: number}): Promise<boolean> {
    return (await this.#entries(org)).includes(`${digestHex(blob.digest)}-${blob.size}`)
  }

  async forget(org: string, blob: {readonly digest: Digest; readonly size: number}): Promise<void> {
    await rm(join(this.#of(org), `${digestHex(blob.digest)}-${blob.size}`), {force: true})
  }

  /** Counts no blob any more that is not stored, whatever the org; what killed processes left of such a count goes as well. */
  async forgetAbsent(isStored: (digest: Digest) => Promise<boolean>): Promise<void> {
    const forget = async (org: string): Promise<void> => {
      for (const name of await this.#entries(org)) {
        const hex = ENTRY.exec(name)?.[1]
        if (hex === undefined || !(await isStored(`sha256:${hex}`))) await rm(join(this.#of(org), name), {force: true})
      }
    }
    for (const org of await readdir(join(this.#directory, 'orgs')).catch(noneIfAbsent)) await this.#turns.take(() => forget(org))
  }

  async #assertShare(org: string, pendingBytes: number): Promise<void> {
    const names = await this.#entries(org)
    const bytes = names.reduce((sum, name) => sum + Number(ENTRY.exec(name)?.[2] ?? 0), pendingBytes)
    const {orgBytesMax, orgBlobsMax} = this.#limits
    if (bytes < orgBytesMax && names.length < orgBlobsMax) return
    const used = `${names.length} blobs of ${mib(bytes)}`
    const allowed = `${orgBlobsMax} blobs and ${mib(orgBytesMax)}`
    throw new OciError('DENIED', 403, 'rejected', `${org} has stored ${used}; an org may store ${allowed}.`, {
      hint: 'Delete images that are not used, and ask again in a while; or ask the operator of the network for room.'
    })
  }

  #entries(org: string): Promise<string[]> {
    return readdir(this.#of(org)).catch(noneIfAbsent)
  }

  #of(org: string): string {
    return join(this.#directory, 'orgs', org)
  }
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / MIB)} MiB`
}

async function freeBytes(directory: string): Promise<number> {
  const disk = await statfs(directory)
  return disk.bavail * disk.bsize
}

function noneIfAbsent(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error
  return []
}
