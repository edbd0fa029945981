import {existsSync, mkdtempSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {makeDebianPackage} from '../../packaging/package/debian-package.ts'
import {makeExecutable} from '../../packaging/package/executable.ts'
import {debianSources} from '../soak/root-image.ts'

const checkout = fileURLToPath(new URL('../../', import.meta.url))
const EMULATOR = '/usr/bin/qemu-aarch64-static'
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** Debian's packages over a slow line, configured by emulation. */
const MAKE_TIMEOUT_MS = 1_200_000
const TIMEOUT_MS = 240_000

/**
 * Runs `$@` with all users in a namespace of its own, where a format of executables can be registered that the machine knows nothing of. `$1` is a folder
 * of two pipes, for whoever gives the namespace its users.
 */
const MAPPED = `
set -e
mkfifo "$1/begun" "$1/go"
unshare --user sh -c 'echo >"$1/begun"; read -r _ <"$1/go"; shift; exec "$@"' sh "$@" &
trap 'kill -9 $!' TERM
read -r _ <"$1/begun"
for map in uid_map gid_map; do echo '0 0 65536' >/proc/$!/$map; done
echo >"$1/go"
rm "$1/begun" "$1/go"
wait $!
`
/** Has ELF files for arm64 run by the emulator, which the kernel opens now: a root without it finds it too. */
const EMULATED = `
set -e
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf %s ':arm64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:${EMULATOR}:F' >/proc/sys/fs/binfmt_misc/register
exec "$@"
`
const ENTER = `
set -e
root=$1
shift
mount --bind /proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
`

type Ran = {readonly stdout: string; readonly stderr: string; readonly exitCode?: number | undefined}

const isLong = process.env.CREO_TEST_TIER === 'long' && process.platform === 'linux' && process.arch === 'x64'
const TOO_OLD = 'formats of executables in a namespace, as of Linux 6.7 on'
const missing = await lacking()
/** Left out in CI it would hide that nobody looked. */
const isHere = isLong && (missing.length === 0 || (process.env.CI !== undefined && !missing.includes(TOO_OLD)))

/** Three minutes on an idle machine, nearly all of them dpkg's by emulation. What is missing for it stands in its name. */
describe.runIf(isHere)(`a Debian of arm64${missing.length === 0 ? '' : ` (not here: ${missing.join(', ')})`}`, () => {
  let folder: string
  let root: string

  beforeAll(async () => {
    expect(missing).toEqual([])
    folder = mkdtempSync(join(tmpdir(), 'creo-arm64-root-'))
    root = join(folder, 'root')
    const signal = AbortSignal.timeout(MAKE_TIMEOUT_MS)
    const list = join(folder, 'sources.list')
    writeFileSync(list, `${await debianSources()}\n`)
    const keyring = existsSync(KEYRING) ? [`--keyring=${KEYRING}`] : []
    // It looks for the emulator by a program of its own, which looks at the machine's formats.
    const options = ['--quiet', '--mode=root', '--format=directory', '--skip=check/qemu', '--architecture=arm64', '--variant=apt']
    const made = await emulated(folder, 'mmdebstrap', ...options, '--include=passwd,libstdc++6', ...keyring, '', root, list)
    expect(made).toMatchObject({exitCode: 0})
    const making = {root: checkout, output: folder, architecture: 'arm64', signal} as const
    renameSync(await makeDebianPackage({...making, executable: await makeExecutable(making)}), join(root, 'creo.deb'))
  }, MAKE_TIMEOUT_MS)
  afterAll(() => rmSync(folder, {recursive: true, force: true}))

  test(
    'has nothing to say against the Debian package',
    async () => {
      const found = await execa('lintian', ['--allow-root', '--fail-on=error,warning', join(root, 'creo.deb')], {reject: false})
      expect([found.exitCode, found.stdout]).toEqual([0, ''])
    },
    TIMEOUT_MS
  )

  test(
    'installs the Debian package by itself, runs what it brought, and is without it once it is purged',
    async () => {
      expect(await inRoot('dpkg', '--print-architecture')).toMatchObject({stdout: 'arm64'})
      expect(await inRoot('dpkg', '--install', '/creo.deb')).toMatchObject({exitCode: 0})
      expect(await inRoot('stat', '--format', '%U %a', '/var/lib/creo/coordinator')).toMatchObject({stdout: 'creo 700'})
      expect((await inRoot('creo', '--version')).stdout).toMatch(/^creo\/\S+ linux-arm64 node-v24/)
      const made = await inRoot('creo', 'coordinator', 'init', '--data', '/root/network', '--json')
      expect(JSON.parse(made.stdout), made.stderr).toMatchObject({created: true})
      expect(await inRoot('dpkg', '--purge', 'creo')).toMatchObject({exitCode: 0})
      for (const path of ['usr/bin/creo', 'var/lib/creo']) expect(existsSync(join(root, path))).toBe(false)
    },
    TIMEOUT_MS
  )

  async function inRoot(...command: readonly string[]): Promise<Ran> {
    return await emulated(folder, 'sh', '-c', ENTER, 'sh', root, ...command)
  }
})

/** Runs a command where programs for arm64 run, seen by nobody else. */
async function emulated(folder: string, ...command: readonly string[]): Promise<Ran> {
  const spaces = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  const options = {reject: false, stdin: 'ignore', timeout: MAKE_TIMEOUT_MS} as const
  return await execa('sh', ['-c', MAPPED, 'sh', folder, ...spaces, 'sh', '-c', EMULATED, 'sh', ...command], options)
}

async function lacking(): Promise<readonly string[]> {
  if (!isLong) return []
  const programs = ['mmdebstrap', 'unshare', 'apt-get', 'lintian', EMULATOR]
  const found = await Promise.all(programs.map(async (name) => !(await execa('sh', ['-c', `command -v ${name}`], {reject: false})).failed))
  const absent = programs.filter((_name, index) => !found[index])
  if (process.getuid?.() !== 0) return [...absent, 'root']
  if (absent.length > 0) return absent
  const folder = mkdtempSync(join(tmpdir(), 'creo-emulated-'))
  const {exitCode} = await emulated(folder, 'true')
  rmSync(folder, {recursive: true, force: true})
  return exitCode === 0 ? [] : [TOO_OLD]
}
