import {createHash} from 'node:crypto'
import {mkdir, mkdtemp, readdir, readFile, rename, rm, stat} from 'node:fs/promises'
import {basename, join} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {npmProgram} from '../developer/npm-program.ts'

/** In creo's data folder, beside the package.json in which the framework keeps what is installed. */
export const ARCHIVES = 'plugin-archives'
const PACK_TIMEOUT_MS = 300_000
const DIGEST_CHARS = 12
const WORDS_CHARS_MAX = 2000

/**
 * Packs a plugin's folder into an archive that stays for as long as the plugin is installed: the framework finds out by the archive's name which plugin it
 * has installed, and takes one folder for another. npm runs the folder's `prepare` scripts as it does for an install.
 * @returns the archive's path; another one for each content.
 * @throws {CreoError} `not_found` where no package is; `failed` with npm's words.
 */
export async function packPlugin(plugin: string, {dataFolder}: {readonly dataFolder: string}): Promise<string> {
  if (!(await stat(join(plugin, 'package.json')).catch(() => undefined))) {
    throw new CreoError('not_found', `${plugin} holds no package.json: it is no plugin.`, {hint: 'creo plugins guide'})
  }
  const archives = join(dataFolder, ARCHIVES)
  await mkdir(archives, {recursive: true, mode: 0o700})
  const making = await mkdtemp(join(archives, '.making-'))
  try {
    await runPack(plugin, making)
    const [made] = await readdir(making)
    if (made === undefined) throw new CreoError('failed', `npm packed nothing of ${plugin}.`, {hint: 'npm pack'})
    const digest = createHash('sha256')
      .update(await readFile(join(making, made)))
      .digest('hex')
    const archive = join(archives, made.replace(/\.tgz$/, `-${digest.slice(0, DIGEST_CHARS)}.tgz`))
    await rename(join(making, made), archive)
    await removeUnusedArchives(dataFolder, archive)
    return archive
  } finally {
    await rm(making, {recursive: true, force: true})
  }
}

async function runPack(plugin: string, destination: string): Promise<void> {
  const {execa} = await import('execa')
  const args = ['pack', '--pack-destination', destination, '--loglevel=error', '--no-update-notifier']
  const done = await execa(process.execPath, [npmProgram(), ...args], {
    cwd: plugin,
    stdin: 'ignore',
    reject: false,
    timeout: PACK_TIMEOUT_MS
  })
  if (!done.failed) return
  throw new CreoError('failed', `npm could not pack ${plugin}: ${(done.stderr || done.shortMessage || '').slice(-WORDS_CHARS_MAX)}`, {
    hint: `Mend it until this works: cd ${plugin} && npm pack`
  })
}

/** Removes archives that no installed plugin came from, but for one that is about to be installed. */
export async function removeUnusedArchives(dataFolder: string, kept = ''): Promise<void> {
  const archives = await readdir(join(dataFolder, ARCHIVES)).catch(() => [])
  const unknown = archives.filter((name) => name.endsWith('.tgz') && name !== basename(kept))
  if (unknown.length === 0) return
  const installed = await readFile(join(dataFolder, 'package.json'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  for (const name of unknown) if (!installed.includes(name)) await rm(join(dataFolder, ARCHIVES, name), {force: true})
}
