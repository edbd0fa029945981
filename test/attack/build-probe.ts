import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {mkdir, readdir, readFile, rename} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'

const SOURCES = fileURLToPath(new URL('./probe', import.meta.url))
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/creo-probe', import.meta.url))
const KEY_CHARACTERS = 12

/** The path of the probe, a static program, compiled when one of its sources has changed. */
export async function buildProbe(signal: AbortSignal): Promise<string> {
  const names = (await readdir(SOURCES)).sort()
  const hash = createHash('sha256')
  for (const name of names) hash.update(await readFile(join(SOURCES, name)))
  const path = join(CACHE, `probe-${hash.digest('hex').slice(0, KEY_CHARACTERS)}`)
  if (existsSync(path)) return path
  await mkdir(CACHE, {recursive: true})
  const unfinished = `${path}.${process.pid}`
  const sources = names.filter((name) => name.endsWith('.c')).map((name) => join(SOURCES, name))
  await execa('musl-gcc', ['-O1', '-static', '-s', '-Wall', '-Wextra', '-Werror', '-o', unfinished, ...sources], {cancelSignal: signal})
  await rename(unfinished, path)
  return path
}
