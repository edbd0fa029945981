import {mkdtemp, readdir, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {gzipSync} from 'node:zlib'
import {build} from 'vite'
import {afterAll, beforeAll, expect, test} from 'vitest'

/** Of what a browser fetches before it shows the markets, gzipped: five seconds over a link of 128 kbit/s. */
const FIRST_PAGE_BYTES_MAX = 80 * 1024
const FIRST_LANGUAGE = /^assets\/en-/

const web = join(import.meta.dirname, '..', '..', 'web')
let folder: string
let files: ReadonlyMap<string, Buffer>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-page-'))
  files = await built('one')
})
afterAll(() => rm(folder, {recursive: true}))

test('the first page is small enough for a slow link', () => {
  const html = textOf('index.html')
  const asked = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, name]) => String(name))
  const first = new Set([
    ...asked.flatMap(withImports),
    ...[...files.keys()].filter((name) => FIRST_LANGUAGE.test(name) && name.endsWith('.js'))
  ])
  expect(first.size).toBeGreaterThan(2)
  const bytes = [...first].reduce((sum, name) => sum + gzipSync(files.get(name) ?? '').length, gzipSync(html).length)
  expect(bytes).toBeLessThan(FIRST_PAGE_BYTES_MAX)
  expect([...first].filter((name) => textOf(name).includes('TradingView'))).toEqual([])
})

test('nothing comes from another host, and no script stands in the page itself', () => {
  const html = textOf('index.html')
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/)
  expect(html).not.toMatch(/\bstyle=|\bon[a-z]+=/)
  expect([...html.matchAll(/(?:src|href)="(?!\.\/)/g)]).toEqual([])
  for (const name of files.keys()) if (name.endsWith('.css')) expect(textOf(name)).not.toMatch(/url\((?!data:)|@import/)
})

test('the same sources make the same files, and the service worker knows each of them', async () => {
  expect(await built('two')).toEqual(files)
  const worker = textOf('service-worker.js')
  for (const name of files.keys()) {
    if (name.endsWith('.br') || name === 'service-worker.js') continue
    expect(worker).toContain(`"${name === 'index.html' ? './' : name}"`)
  }
  expect(worker).not.toMatch(/__[A-Z]+__/)
})

async function built(name: string): Promise<ReadonlyMap<string, Buffer>> {
  const outDir = join(folder, name)
  await build({configFile: join(web, 'vite.config.mjs'), build: {outDir}})
  const entries = await readdir(outDir, {recursive: true, withFileTypes: true})
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return new Map(await Promise.all(paths.sort().map(async (path) => [path.slice(outDir.length + 1), await readFile(path)] as const)))
}

/** A script with all that it imports at once, and nothing of what it fetches later. */
function withImports(name: string): readonly string[] {
  const imported = [...textOf(name).matchAll(/(?:^|[;}\n])\s*(?:import|export)[^;"'()]*?["']\.\/([^"']+)["']/g)].map(
    ([, file]) => `assets/${file}`
  )
  return [name, ...imported.flatMap(withImports)]
}

function textOf(name: string): string {
  return String(files.get(name))
}
