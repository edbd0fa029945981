import {existsSync, mkdtempSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {makeDebianPackage} from '../../packaging/package/debian-package.ts'
import {makeExecutable} from '../../packaging/package/executable.ts'
import {debianSources} from '../soak/root-image.ts'

const PACKAGES = ['podman', 'runc', 'crun', 'netavark', 'uidmap', 'mount', 'passwd', 'libstdc++6']
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** Debian's packages over a slow line, and one architecture of the program. */
const MAKE_TIMEOUT_MS = 900_000
const LOOP_TIMEOUT_MS = 600_000
const STEPS = 18

/** Has `$1` as all that there is to see, with no network but its own loopback. A changed root alone would not do: in one, no container gets users of its own. */
const ENTER = `
set -e
ip link set lo up
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/run"
cd "$1"
pivot_root . .
umount --lazy .
cd /
shift
exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
`

const isLong = process.env.CREO_TEST_TIER === 'long' && process.platform === 'linux' && process.arch === 'x64'
const missing = await lacking()
/** Left out in CI it would hide that nobody looked. */
const isHere = isLong && (process.env.CI !== undefined || missing.length === 0)

/** Two minutes on an idle machine. What is missing for it stands in its name. */
describe.runIf(isHere)(`a Debian without Node${missing.length === 0 ? '' : ` (not here: ${missing.join(', ')})`}`, () => {
  let folder: string
  let root: string

  beforeAll(async () => {
    expect(missing).toEqual([])
    folder = mkdtempSync(join(tmpdir(), 'creo-clean-root-'))
    root = join(folder, 'root')
    const signal = AbortSignal.timeout(MAKE_TIMEOUT_MS)
    const list = join(folder, 'sources.list')
    writeFileSync(list, `${await debianSources()}\n`)
    const keyring = existsSync(KEYRING) ? [`--keyring=${KEYRING}`] : []
    const options = ['--quiet', '--mode=root', '--format=directory', '--variant=apt', `--include=${PACKAGES.join(',')}`]
    await execa('mmdebstrap', [...options, ...keyring, '', root, list], {cancelSignal: signal, stdin: 'ignore'})
    const checkout = fileURLToPath(new URL('../../', import.meta.url))
    const making = {root: checkout, output: folder, architecture: 'x64', signal} as const
    renameSync(await makeDebianPackage({...making, executable: await makeExecutable(making)}), join(root, 'creo.deb'))
  }, MAKE_TIMEOUT_MS)
  afterAll(() => rmSync(folder, {recursive: true, force: true}))

  test(
    'has nothing to say against the Debian package',
    async () => {
      const found = await execa('lintian', ['--allow-root', '--fail-on=error,warning', join(root, 'creo.deb')], {reject: false})
      expect([found.exitCode, found.stdout]).toEqual([0, ''])
    },
    LOOP_TIMEOUT_MS
  )

  test(
    'installs the Debian package, with a user for who serves a network',
    async () => {
      expect(await inRoot('dpkg', '--install', '/creo.deb')).toMatchObject({exitCode: 0})
      for (const [path, owner] of [
        ['/usr/bin/creo', 'root 755'],
        ['/var/lib/creo', 'root 755'],
        ['/var/lib/creo/coordinator', 'creo 700'],
        ['/var/lib/creo/miner', 'root 700']
      ] as const) {
        expect(await inRoot('stat', '--format', '%U %a', path)).toMatchObject({stdout: owner})
      }
    },
    LOOP_TIMEOUT_MS
  )

  test(
    'runs the whole loop by the one file, with podman and without a network',
    async () => {
      for (const name of ['node', 'npm']) expect(existsSync(join(root, 'usr/bin', name))).toBe(false)
      const loop = await inRoot('creo', 'up', '--tour', '--once', '--json')
      const {holds, steps} = JSON.parse(loop.stdout) as {holds: boolean; steps: {id: string}[]}
      expect(holds, loop.stderr).toBe(true)
      expect(steps).toHaveLength(STEPS)
    },
    LOOP_TIMEOUT_MS
  )

  test(
    'keeps ledgers and nodes when the package is purged, and nothing else of it',
    async () => {
      const kept = join(root, 'var/lib/creo/coordinator/journal.sqlite')
      writeFileSync(kept, '')
      expect(await inRoot('dpkg', '--remove', 'creo')).toMatchObject({exitCode: 0})
      expect(existsSync(join(root, 'etc/default/creo-gateway'))).toBe(true)
      const purged = await inRoot('dpkg', '--purge', 'creo')
      expect(purged).toMatchObject({exitCode: 0, stdout: expect.stringContaining('are left in /var/lib/creo')})
      expect([kept, join(root, 'usr/bin/creo'), join(root, 'etc/default/creo-gateway')].map((path) => existsSync(path))).toEqual([
        true,
        false,
        false
      ])
      rmSync(kept)
      expect(await inRoot('dpkg', '--install', '/creo.deb')).toMatchObject({exitCode: 0})
      expect(await inRoot('dpkg', '--purge', 'creo')).toMatchObject({exitCode: 0})
      expect(existsSync(join(root, 'var/lib/creo'))).toBe(false)
      expect((await inRoot('getent', 'passwd', 'creo')).exitCode).not.toBe(0)
    },
    LOOP_TIMEOUT_MS
  )

  type Ran = {readonly stdout: string; readonly stderr: string; readonly exitCode?: number | undefined}

  async function inRoot(...command: readonly string[]): Promise<Ran> {
    const spaces = ['--mount', '--pid', '--net', '--fork', '--kill-child']
    const options = {reject: false, stdin: 'ignore', timeout: LOOP_TIMEOUT_MS} as const
    return await execa('unshare', [...spaces, 'sh', '-c', ENTER, 'sh', root, ...command], options)
  }
})

async function lacking(): Promise<readonly string[]> {
  if (!isLong) return []
  const programs = ['mmdebstrap', 'unshare', 'ip', 'pivot_root', 'apt-get', 'lintian']
  const found = await Promise.all(programs.map(async (name) => !(await execa('sh', ['-c', `command -v ${name}`], {reject: false})).failed))
  return [...programs.filter((_name, index) => !found[index]), ...(process.getuid?.() === 0 ? [] : ['root'])]
}
