import {createReadStream, existsSync} from 'node:fs'
import {cp, mkdir, mkdtemp, rm, symlink, writeFile} from 'node:fs/promises'
import {homedir, tmpdir} from 'node:os'
import {join} from 'node:path'
import {pipeline} from 'node:stream/promises'
import {createZstdDecompress} from 'node:zlib'
import {execa} from 'execa'
import {beforeAll, expect, test} from 'vitest'
import {stringify} from 'yaml'
import {z} from 'zod'
import {ask} from '../../src/compose/ask.ts'
import {eventually} from '../../src/compose/tour/must-hold.ts'
import {appUrl} from '../../src/compose/tour/steps-apps.ts'
import {LEAF, ORGS} from '../../src/compose/tour/steps-network.ts'
import {hostArchitecture} from '../../src/images/base-node.ts'
import {BASE_NAMES, baseDirectory, findBase, readBaseLock} from '../../src/images/bases.ts'
import {layoutBlobPath, readLayoutBlob} from '../../src/images/layout.ts'
import {parseManifest} from '../../src/images/oci.ts'
import {installFramework} from '../support/functions-framework.ts'
import {LoopWorld} from './loop-world.ts'

/** In the short tier test/developer/templates.test.ts starts the same programs without containers. */
const IS_LONG = process.env.CREO_TEST_TIER === 'long'
const SET_UP_TIMEOUT_MS = 600_000
const TIMEOUT_MS = 300_000
/** Kept between runs: their digests are their names. */
const BASES = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'creo/bases')
/** Of Debian's qemu-user-static. */
const EMULATOR = 'qemu-aarch64-static'
const TEMPLATES = {
  typescript: {command: ['node', 'server.ts']},
  python: {base: 'python', command: ['python3', 'server.py']},
  site: {command: ['node', 'server.mjs']},
  static: {base: 'static', command: ['/app/server']},
  containerfile: {containerfile: './containerfile/Containerfile'},
  server: {command: ['node', 'server.mjs']},
  node: {memory: '128MiB', command: ['node', 'node_modules/@google-cloud/functions-framework/build/src/main.js', '--target=web']}
}
type Template = keyof typeof TEMPLATES
const ALL = Object.keys(TEMPLATES) as Template[]
/** Answers anything with five letters: what Go would do with more. */
const STATIC = `#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
  static const char answer[] = "HTTP/1.1 200 OK\\r\\ncontent-length: 5\\r\\nconnection: close\\r\\n\\r\\nhello";
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(getenv("PORT")))};
  char request[4096];
  int listening = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 64)) return 1;
  for (;;) {
    int connection = accept(listening, 0, 0);
    if (read(connection, request, sizeof request) > 0) write(connection, answer, sizeof answer - 1);
    close(connection);
  }
}
`

let world: LoopWorld
beforeAll(async () => {
  if (!IS_LONG) return undefined
  const {bases} = await readBaseLock()
  if (!BASE_NAMES.every((name) => existsSync(baseDirectory(BASES, name, bases[name]))))
    await execa(process.execPath, ['packaging/bases/bases.ts', '--output', BASES], {timeout: SET_UP_TIMEOUT_MS})
  const data = await mkdtemp(join(tmpdir(), 'creo-templates-'))
  await symlink(BASES, join(data, 'bases'))
  process.env.CREO_DATA_DIR = data
  world = await LoopWorld.make()
  return async () => {
    await world.close()
    await rm(data, {recursive: true})
  }
}, SET_UP_TIMEOUT_MS)

test.runIf(IS_LONG)(
  'every template is deployed as a function of one app, and answers; where the Functions Framework can be had, also the one of it',
  {timeout: TIMEOUT_MS},
  async ({annotate}) => {
    const folder = join(world.folder, 'all')
    for (const name of ALL) await cp(join(world.root, 'packaging/templates', name), join(folder, name), {recursive: true})
    const reason = await installFramework(join(folder, 'node'))
    if (reason !== undefined) await annotate(reason)
    const names = ALL.filter((name) => name !== 'node' || reason === undefined)
    const place = join(folder, 'static', `linux-${hostArchitecture()}`)
    await mkdir(place)
    await writeFile(join(world.folder, 'server.c'), STATIC)
    await execa('musl-gcc', ['-static', '-Os', '-o', join(place, 'server'), join(world.folder, 'server.c')])
    const rewards = [{incentive: LEAF, perMillion: {requests: '2000'}, dailyBudget: '10'}]
    const functions = Object.fromEntries(
      names.map((name) => [name, {source: `./${name}`, memory: '64MiB', cpu: 0.1, rewards, ...TEMPLATES[name]}])
    )
    const routes = names.map((name) => ({path: `/${name}`, function: name}))
    await writeFile(join(folder, 'creo.yaml'), stringify({app: 'all', org: ORGS.shop, routes, functions}))
    await world.creo(['deploy', folder, '--as', ORGS.shop, '--wait', '120s'], z.unknown())
    for (const name of names.filter((one) => one !== 'static' && one !== 'site'))
      expect(JSON.parse(await answerOf(`${name}/x`, 200))).toMatchObject({hello: 'world'})
    expect(await answerOf('static', 200)).toBe('hello')
    expect(await answerOf('site', 404)).toBe('There is no such page.\n')
  }
)

test.runIf(IS_LONG)(
  'the base of Node for arm64 is a whole system: under an emulator its own Node runs on its own libraries',
  {timeout: TIMEOUT_MS},
  async ({skip}) => {
    const {failed} = await execa(EMULATOR, ['--version'], {reject: false})
    if (failed) skip(`${EMULATOR} is not installed`)
    const {bases} = await readBaseLock()
    const platforms = await findBase(BASES, {name: 'node', digest: bases.node})
    const base = platforms?.find(({architecture}) => architecture === 'arm64')?.base
    if (base === undefined || base === 'scratch') throw new Error('the base is not there for arm64')
    const parsed = parseManifest(await readLayoutBlob(base.layoutDirectory, base.manifestDigest))
    const root = join(world.folder, 'arm64-root')
    await mkdir(root)
    for (const {digest} of parsed.kind === 'manifest' ? parsed.manifest.layers : []) {
      const unpacked = execa('tar', ['-x', '-C', root], {stdin: 'pipe'})
      await pipeline(createReadStream(layoutBlobPath(base.layoutDirectory, digest)), createZstdDecompress(), unpacked.stdin)
      await unpacked
    }
    const {stdout} = await execa(EMULATOR, ['-L', root, join(root, 'usr/local/bin/node'), '-p', 'process.arch + process.version'])
    expect(stdout).toBe(`arm64${process.version}`)
  }
)

/** A node has not room for all of them at a time: some wait for another to end. */
function answerOf(path: string, status: number): Promise<string> {
  return eventually(`${path} answers`, world.signal, async () => {
    const answer = await ask(`${appUrl(world, 'all', ORGS.shop)}/${path}`, {signal: world.signal}).catch(() => undefined)
    return answer?.status === status ? answer.text : undefined
  })
}
