import {createHash, randomUUID} from 'node:crypto'
import {existsSync} from 'node:fs'
import {copyFile, mkdir, readdir, rename, rm, writeFile} from 'node:fs/promises'
import {homedir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'

/** A disk with Debian on it, and the kernel that boots it. */
export interface RootImage {
  readonly disk: string
  readonly kernel: string
  readonly initialRamDisk: string
}

/** Raised when the steps below change. */
const FORMAT = 'creo-soak-1'
const PACKAGES = [
  'systemd-sysv',
  'dbus',
  'dbus-user-session',
  'libpam-systemd',
  'linux-image-cloud-amd64',
  'podman',
  'crun',
  'runc',
  'conmon',
  'uidmap',
  'containerd',
  'netavark',
  'aardvark-dns',
  'nftables',
  'fuse-overlayfs',
  'slirp4netns',
  'ca-certificates',
  'procps',
  'iproute2',
  'kmod',
  'udev'
]
/** What a fresh Debian starts and no test needs, but a slow machine waits for. */
const MASKED = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'containerd.service',
  'e2scrub_reap.service',
  'getty@tty1.service',
  'networking.service',
  'podman-auto-update.service',
  'podman-auto-update.timer',
  'podman-restart.service',
  'podman.socket',
  'serial-getty@ttyS0.service'
]
/** Whoever lends a machine: `volunteer` as Debian makes a user, `newcomer` without ids for containers and without lingering. */
const UNIT = `[Unit]
Description=What creo wants to know of this machine
RequiresMountsFor=/creo
After=multi-user.target

[Service]
ExecStart=/bin/sh /creo/test/soak/guest.sh
ExecStopPost=/bin/systemctl poweroff --force
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=default.target
`
const CUSTOMIZE = [
  'useradd --create-home --uid 1000 --shell /bin/bash volunteer',
  'useradd --create-home --uid 1001 --shell /bin/bash -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 newcomer',
  'mkdir -p /var/lib/systemd/linger /creo',
  'touch /var/lib/systemd/linger/volunteer',
  'echo soak >/etc/hostname',
  'printf "/dev/vda / ext4 rw 0 0\\n/dev/vdb /creo ext4 rw 0 0\\n" >/etc/fstab',
  `printf '%s' '${UNIT}' >/etc/systemd/system/creo-soak.service`,
  'systemctl --no-reload enable creo-soak.service',
  `systemctl mask ${MASKED.join(' ')}`,
  'apt-get clean'
]
const DISK_BYTES = 3 * 2 ** 30
const BUILD_TIMEOUT_MS = 15 * 60_000
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** The image of this recipe, made once and then taken from the user's cache; those of older recipes are removed. Only root can make it. */
export async function rootImage(): Promise<RootImage> {
  const sources = await debianSources()
  const recipe = [FORMAT, ...PACKAGES, ...CUSTOMIZE, sources].join('\n')
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'creo/soak')
  const folder = join(cache, createHash('sha256').update(recipe).digest('hex').slice(0, 16))
  if (!existsSync(folder)) {
    await mkdir(cache, {recursive: true})
    for (const old of await readdir(cache)) await rm(join(cache, old), {recursive: true})
    await build(folder, sources)
  }
  return {disk: join(folder, 'root.ext4'), kernel: join(folder, 'vmlinuz'), initialRamDisk: join(folder, 'initrd')}
}

/** This machine's own sources of Debian, as apt knows them. */
export async function debianSources(): Promise<string> {
  const format = ['--format', 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)']
  const {stdout} = await execa('apt-get', ['indextargets', ...format, 'Created-By: Packages', 'Origin: Debian'])
  if (stdout === '') throw new Error('apt knows no Debian here: run apt-get update, on Debian.')
  return [...new Set(stdout.split('\n'))].sort().join('\n')
}

async function build(folder: string, sources: string): Promise<void> {
  const temporary = `${folder}.${randomUUID()}`
  const root = join(temporary, 'root')
  const signal = AbortSignal.timeout(BUILD_TIMEOUT_MS)
  await mkdir(temporary)
  try {
    const list = join(temporary, 'sources.list')
    await writeFile(list, `${sources}\n`)
    const keyring = existsSync(KEYRING) ? [`--keyring=${KEYRING}`] : []
    const hooks = CUSTOMIZE.map((command) => `--customize-hook=chroot "$1" sh -c ${quote(command)}`)
    const options = ['--quiet', '--mode=root', '--format=directory', '--variant=important', `--include=${PACKAGES.join(',')}`]
    await execa('mmdebstrap', [...options, ...keyring, ...hooks, '', root, list], {cancelSignal: signal, stdin: 'ignore'})
    await copyFile(await newest(root, 'vmlinuz-'), join(temporary, 'vmlinuz'))
    await copyFile(await newest(root, 'initrd.img-'), join(temporary, 'initrd'))
    await makeDisk({path: join(temporary, 'root.ext4'), from: root, signal})
    await rm(root, {recursive: true})
    await rename(temporary, folder)
  } finally {
    await rm(temporary, {recursive: true, force: true})
  }
}

/** A sparse disk of 3 GiB that holds the folder. */
export async function makeDisk(options: {readonly path: string; readonly from: string; readonly signal: AbortSignal}): Promise<void> {
  const blocks = `${DISK_BYTES / 1024}k`
  await execa('mke2fs', ['-q', '-t', 'ext4', '-d', options.from, options.path, blocks], {cancelSignal: options.signal})
}

async function newest(root: string, prefix: string): Promise<string> {
  const names = (await readdir(join(root, 'boot'))).filter((name) => name.startsWith(prefix)).sort()
  const name = names.at(-1)
  if (name === undefined) throw new Error(`No ${prefix}… was installed.`)
  return join(root, 'boot', name)
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
