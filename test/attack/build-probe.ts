import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {mkdir, readdir, readFile, rename} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'

const SOURCES = fileURLToPath(new URL('./probe', import.meta.url))
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/creo-probe', import.meta.url))
const KEY_CHARACTERS = 12
const COMPILERS = ['musl-gcc', 'gcc']

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
  await compile(['-O1', '-static', '-s', '-Wall', '-Wextra', '-Werror', '-o', unfinished, ...sources], signal)
  await rename(unfinished, path)
  return path
}

/** With the first compiler that is installed; what one says about the sources is an error. */
async function compile(args: readonly string[], signal: AbortSignal): Promise<void> {
  for (const compiler of COMPILERS) {
    const {exitCode, code, stderr} = await execa(compiler, args, {cancelSignal: signal, reject: false})
    if (exitCode === 0) return
    if (code !== 'ENOENT') throw new Error(`${compiler} cannot compile the probe:\n${stderr}`)
  }
  throw new Error('The probe needs a C compiler: apt-get install musl-tools gcc.')
}
