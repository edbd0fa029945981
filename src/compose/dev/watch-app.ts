import {watch} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {basename, dirname, join, resolve} from 'node:path'
import {CreoError, isCreoError} from '../../core/errors.ts'
import {type IgnoreRule, parseIgnore} from '../../images/ignore.ts'

/** Too many folders to watch, and what is in them changes together with a file beside them. */
const UNWATCHED = /(^|\/)(node_modules|\.git)(\/|$)/

export interface WatchOptions {
  /** Folders whose files become images; each is watched with all below it but what its `.creoignore` names. */
  readonly sources: readonly string[]
  /** Single files: the manifest, a file of secrets. */
  readonly files: readonly string[]
  /** Told the folder or file of these in which something changed. */
  readonly onChange: (path: string) => void
  /** Something can't be watched: its changes are not seen. */
  readonly onTrouble: (error: CreoError) => void
}

interface Watched {
  readonly key: string
  readonly close: () => void
}

/** Watches what an app is made of. `use` says what that is now; what stays the same is watched on without a gap. */
export class AppWatch {
  #watched: readonly Watched[] = []

  async use(options: WatchOptions): Promise<void> {
    const sources = await Promise.all([...new Set(options.sources.map((path) => resolve(path)))].map((path) => sourceOf(path, options)))
    const folders = Map.groupBy([...new Set([...options.files, ...options.sources].map((path) => resolve(path)))], dirname)
    const files = [...folders].map(([folder, paths]) => fileFolder(folder, paths.map((path) => basename(path)).sort(), options))
    const wanted = [...sources, ...files]
    const kept = this.#watched.filter(({key}) => wanted.some((one) => one.key === key))
    for (const one of this.#watched) if (!kept.includes(one)) one.close()
    const opened = wanted.filter(({key}) => !kept.some((one) => one.key === key)).flatMap(({key, open}) => opening(key, open, options))
    this.#watched = [...kept, ...opened]
  }

  close(): void {
    for (const one of this.#watched) one.close()
    this.#watched = []
  }
}

interface Wanted {
  readonly key: string
  readonly open: () => () => void
}

async function sourceOf(folder: string, {onChange, onTrouble}: WatchOptions): Promise<Wanted> {
  const text = await readFile(join(folder, '.creoignore'), 'utf8').catch(() => '')
  const ignores = ruleOf(text)
  const isIgnored = (path: string): boolean =>
    UNWATCHED.test(path) || (path !== '.creoignore' && (ignores(path, false) || ignores(path, true)))
  return {
    key: JSON.stringify([folder, text]),
    open: () => {
      const watcher = watch(folder, {recursive: true, ignore: isIgnored})
      watcher.on('change', (_, name) => {
        if (!isIgnored(String(name))) onChange(folder)
      })
      watcher.on('error', (error) => onTrouble(unwatched(folder, error)))
      return () => watcher.close()
    }
  }
}

/** A build says what is wrong with the file; until it is mended nothing is left out. */
function ruleOf(text: string): IgnoreRule {
  try {
    return parseIgnore(text)
  } catch (error) {
    if (!isCreoError(error)) throw error
    return () => false
  }
}

/** By their folder: editors put a new file in the place of the old one. */
function fileFolder(folder: string, names: readonly string[], {onChange, onTrouble}: WatchOptions): Wanted {
  return {
    key: JSON.stringify([folder, names]),
    open: () => {
      const watcher = watch(folder)
      watcher.on('change', (_, name) => {
        if (names.includes(String(name))) onChange(join(folder, String(name)))
      })
      watcher.on('error', (error) => onTrouble(unwatched(folder, error)))
      return () => watcher.close()
    }
  }
}

/** A folder that is not there yet is seen when it comes, by its own folder. */
function opening(key: string, open: () => () => void, {onTrouble}: WatchOptions): readonly Watched[] {
  try {
    return [{key, close: open()}]
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (!('code' in error && error.code === 'ENOENT')) onTrouble(unwatched(String(JSON.parse(key)[0]), error))
    return []
  }
}

function unwatched(folder: string, cause: Error): CreoError {
  return new CreoError('unavailable', `Changes in ${folder} are not seen: ${cause.message}.`, {
    hint: 'Name what need not be watched in .creoignore, or raise fs.inotify.max_user_watches.',
    cause
  })
}
