import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {mkdir, readFile, rename} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'

const SOURCE = fileURLToPath(new URL('answer.c', import.meta.url))
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/creo-bench', import.meta.url))
const KEY_CHARACTERS = 12

/** What the function answers at any path but /large. */
export const SMALL_BYTES = 100
export const LARGE_BYTES = 65_536

/** The path of the benches' static function, compiled when its source has changed. */
export async function staticFunction(signal: AbortSignal): Promise<string> {
  const key = createHash('sha256')
    .update(await readFile(SOURCE))
    .digest('hex')
    .slice(0, KEY_CHARACTERS)
  const path = join(CACHE, `answer-${key}`)
  if (existsSync(path)) return path
  await mkdir(CACHE, {recursive: true})
  const unfinished = `${path}.${process.pid}`
  await execa('musl-gcc', ['-O2', '-static', '-s', '-Wall', '-Wextra', '-Werror', '-o', unfinished, SOURCE], {cancelSignal: signal})
  await rename(unfinished, path)
  return path
}
