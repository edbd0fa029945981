import {execFile} from 'node:child_process'
import {cp, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, expect, test} from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** File, its one line, and the rule that must refuse it; null when the line is fine. */
const CASES: readonly (readonly [string, string, string | null])[] = [
  ['src/core/clock.ts', 'export const now = Date.now()', 'plugin'],
  ['src/core/dice.ts', 'export const roll = Math.random()', 'plugin'],
  ['src/core/env.ts', 'export const home = process.env', 'lint/style/noRestrictedGlobals'],
  ['src/core/files.ts', "export {readFile} from 'node:fs/promises'", 'lint/style/noRestrictedImports'],
  ['src/core/web.ts', "import 'undici'", 'lint/style/noRestrictedImports'],
  ['src/core/scoped.ts', "import '@oclif/core'", 'lint/style/noRestrictedImports'],
  ['src/core/exchange/up.ts', "import '../../ledger/journal.ts'", 'lint/style/noRestrictedImports'],
  ['src/core/exchange/fine.ts', "import 'zod'\nimport 'node:assert'\nimport '../errors.ts'", null],
  ['src/identity/sideways.ts', "import '../config/paths.ts'", 'lint/style/noRestrictedImports'],
  ['src/identity/fine.ts', "import '../core/errors.ts'", null],
  ['src/ledger/sideways.ts', "import '../runtime/port.ts'", 'lint/style/noRestrictedImports'],
  ['src/ledger/up.ts', "import '../coordinator/server.ts'", 'lint/style/noRestrictedImports'],
  ['src/app-client/sideways.ts', "import '../identity/keys.ts'", 'lint/style/noRestrictedImports'],
  ['src/ledger/fine.ts', "import '../identity/keys.ts'\nimport '../telemetry/log.ts'", null],
  ['src/coordinator/sideways.ts', "import '../gateway/server.ts'", 'lint/style/noRestrictedImports'],
  ['src/coordinator/api/deep-sideways.ts', "import '../../miner/agent.ts'", 'lint/style/noRestrictedImports'],
  ['src/coordinator/later.ts', "export const load = () => import('../gateway/server.ts')", 'lint/style/noRestrictedImports'],
  ['src/gateway/up.ts', "import '../compose/dev-network.ts'", 'lint/style/noRestrictedImports'],
  ['src/miner/fine.ts', "import '../tunnel/dial.ts'\nimport '../core/units.ts'", null],
  ['src/cli/up.ts', "import '../commands/doctor.ts'", 'lint/style/noRestrictedImports'],
  ['src/compose/fine.ts', "import '../gateway/server.ts'\nimport '../miner/agent.ts'", null],
  ['plugins/stranger/src/hook.ts', "import '../../../src/core/errors.ts'", 'lint/style/noRestrictedImports'],
  ['src/gateway/default-export.ts', 'export default 1', 'lint/style/noDefaultExport'],
  ['src/gateway/floating.ts', 'async function work(): Promise<void> {}\nwork()', 'lint/nursery/noFloatingPromises']
]

let folder: string
let refusals: ReadonlyMap<string, readonly string[]>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-floors-'))
  const settings = JSON.parse(await readFile(join(ROOT, 'biome.json'), 'utf8'))
  await writeFile(join(folder, 'biome.json'), JSON.stringify({...settings, $schema: undefined, vcs: undefined}))
  await cp(join(ROOT, 'packaging/lint'), join(folder, 'packaging/lint'), {recursive: true})
  for (const [path, line] of CASES) {
    await mkdir(dirname(join(folder, path)), {recursive: true})
    await writeFile(join(folder, path), `${line}\n`)
  }
  refusals = await lint()
})

afterAll(() => rm(folder, {recursive: true, force: true}))

test.each(CASES)('the linter judges %s by the floors', (path, _line, rule) => {
  const found = refusals.get(path) ?? []
  if (rule === null) expect(found.filter((one) => /Restricted|plugin/.test(one))).toEqual([])
  else expect(found).toContain(rule)
})

async function lint(): Promise<ReadonlyMap<string, readonly string[]>> {
  const biome = join(ROOT, 'node_modules/@biomejs/biome/bin/biome')
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [biome, 'lint', '--reporter=json', '--max-diagnostics=none', '.'], {cwd: folder}, (_error, stdout) =>
      resolve(stdout)
    )
  })
  const {diagnostics} = JSON.parse(output) as {diagnostics: {category: string; location: {path: string}}[]}
  const found = new Map<string, string[]>()
  for (const {category, location} of diagnostics) found.set(location.path, [...(found.get(location.path) ?? []), category])
  return found
}
