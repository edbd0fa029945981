import {cpSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {makeExecutable} from '../../packaging/package/executable.ts'
import {spawnUp} from '../loop/up-process.ts'
import {servesByShownRuntime} from '../miner/shown-runtime-serves.ts'
import {temporaryDirectory} from '../miner/worlds.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const PAGE = 'apps/exchange/web/public'
const MAKE_TIMEOUT_MS = 600_000
const TIMEOUT_MS = 180_000
const NODE = new Set(['node', 'nodejs', 'npm', 'npx', 'corepack'])
let folder: string
let creo: string
let env: Record<string, string>

/** Half a minute on an idle machine. */
describe.runIf(process.env.CREO_TEST_TIER === 'long' && process.platform === 'linux' && process.arch === 'x64')(
  'the packaged program, with all that this machine has but Node and npm,',
  () => {
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'creo-network-'))
      creo = await makeExecutable({root, output: folder, architecture: 'x64', signal: AbortSignal.timeout(MAKE_TIMEOUT_MS)})
      env = {HOME: folder, PATH: withoutNode(join(folder, 'bin'))}
    }, MAKE_TIMEOUT_MS)
    afterAll(() => rmSync(folder, {recursive: true, force: true}))

    test(
      'runs functions by the runtime of a plugin that was installed',
      async () => {
        await servesByShownRuntime([creo], {directory: await temporaryDirectory(), env})
      },
      TIMEOUT_MS
    )

    test(
      'brings up a network, and serves the exchange’s page that came with it, byte for byte',
      async () => {
        const up = spawnUp(folder, ['--data', join(folder, 'network')], {creo: [creo], env})
        try {
          await up.said('Ctrl-C stops everything.')
          const address = await deployExchange({...env, CREO_CONFIG_DIR: join(folder, 'network', 'config')})
          const paths = globSync('**/*.*', {cwd: join(root, PAGE)}).filter((path) => !path.endsWith('.br'))
          expect(paths).toEqual(expect.arrayContaining(['index.html', 'service-worker.js', expect.stringMatching(/^assets\/.+\.js$/)]))
          for (const path of ['', ...paths]) {
            const answer = await fetch(new URL(path, address))
            const expected = readFileSync(join(root, PAGE, path === '' ? 'index.html' : path))
            expect({path, status: answer.status, same: Buffer.from(await answer.arrayBuffer()).equals(expected)}).toEqual({
              path,
              status: 200,
              same: true
            })
          }
        } finally {
          up.child.kill('SIGINT')
          await up.ended
        }
        expect(await up.ended).toMatchObject({code: 0})
      },
      TIMEOUT_MS
    )
  }
)

/** The app as the program has it in its cache, as one of the account that `creo up` makes. @returns its address, with a slash at the end. */
async function deployExchange(inNetwork: Readonly<Record<string, string>>): Promise<string> {
  const programs = join(folder, '.cache/creo/program')
  const app = join(folder, 'exchange')
  cpSync(join(programs, readdirSync(programs)[0] ?? '', 'app', 'apps', 'exchange'), app, {recursive: true})
  const manifest = join(app, 'creo.yaml')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('org: creometry', 'org: dev'))
  const {stdout} = await execa(creo, ['deploy', app, '--as', 'dev', '--json'], {env: inNetwork, extendEnv: false})
  const {addresses} = JSON.parse(stdout) as {addresses: readonly string[]}
  const address = addresses.find((one) => one.includes('/@'))
  return `${address?.replace(/\/$/, '')}/`
}

/** A folder of links to all that is on the path, but for Node and npm. */
function withoutNode(links: string): string {
  mkdirSync(links)
  const there = new Set<string>(NODE)
  for (const directory of ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'])
    for (const name of globSync('*', {cwd: directory})) {
      if (there.has(name)) continue
      there.add(name)
      symlinkSync(join(directory, name), join(links, name))
    }
  return links
}
