import {cp, mkdir, readdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {makeDisk} from './root-image.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Neither the history nor what set-ups of this checkout keep. */
const LEFT_OUT = ['.git', '.creo']
const COPY_TIMEOUT_MS = 5 * 60_000
const REPORT_BYTES_MAX = 64 * 2 ** 20

/** A disk with this checkout as it is: sources, what is compiled, and Node with its packages; `releases` lies in it by that name. */
export async function checkoutDisk(folder: string, releases?: string): Promise<string> {
  const copy = join(folder, 'checkout')
  const disk = join(folder, 'checkout.ext4')
  await mkdir(copy)
  for (const name of await readdir(ROOT)) {
    if (!LEFT_OUT.includes(name)) await cp(join(ROOT, name), join(copy, name), {recursive: true, verbatimSymlinks: true})
  }
  if (releases !== undefined) await cp(releases, join(copy, 'releases'), {recursive: true})
  await makeDisk({path: disk, from: copy, signal: AbortSignal.timeout(COPY_TIMEOUT_MS)})
  await rm(copy, {recursive: true})
  return disk
}

/** A file that the machine left on the disk; undefined when there is none. */
export async function readFromDisk(disk: string, path: string): Promise<string | undefined> {
  const {stdout, stderr} = await execa('debugfs', ['-R', `cat ${path}`, disk], {maxBuffer: REPORT_BYTES_MAX})
  return stderr.includes('File not found') ? undefined : stdout
}
