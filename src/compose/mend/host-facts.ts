import {access, readdir, readFile} from 'node:fs/promises'
import {userInfo} from 'node:os'
import {join} from 'node:path'
import {CreoError} from '../../core/errors.ts'

export const PACKAGE_MANAGERS = ['apt-get', 'dnf', 'apk', 'pacman'] as const
export type PackageManager = (typeof PACKAGE_MANAGERS)[number]

/** A text file and where it is. */
export interface TextFile {
  readonly path: string
  readonly text: string
}

export interface IdFile {
  readonly path: string
  readonly text: string | undefined
}

export interface GrubFacts extends TextFile {
  /** Makes GRUB's own file of the settings. */
  readonly command: readonly string[]
  /** What is read after these settings and so counts more: /etc/default/grub.d. */
  readonly laterText: string
}

/** What the mends are planned by: this machine as its files say, and for whom containers shall run. */
export interface HostFacts {
  readonly user: {readonly name: string; readonly uid: number}
  readonly runsSystemd: boolean
  readonly packageManager: PackageManager | undefined
  readonly programs: {readonly podman: boolean; readonly ociRuntime: boolean; readonly newuidmap: boolean; readonly mount: boolean}
  /** The user's own message bus, by which systemd is asked for control groups. */
  readonly userBus: 'there' | 'startable' | 'missing'
  readonly cgroupVersion: 1 | 2
  /** False when the kernel has no memory controller or it is switched off. */
  readonly memoryController: boolean
  /** Version 2: what this machine's root group has, and what the user's service manager was handed; undefined while it does not run. */
  readonly controllers: readonly string[]
  readonly delegated: readonly string[] | undefined
  readonly lingers: boolean
  /** Undefined text: there is no such file. */
  readonly subuid: IdFile
  readonly subgid: IdFile
  /** The kernel's command line of a Raspberry Pi. */
  readonly bootLine: TextFile | undefined
  readonly grub: GrubFacts | undefined
  /** Fedora and its relatives keep each kernel's words in a file of its own, and have a program that edits all of them. */
  readonly grubby: boolean
  /** The words that the running kernel was started with. */
  readonly kernelWords: readonly string[]
  /** What creo itself wrote earlier, or somebody else where creo would. */
  readonly delegationFile: IdFile
  readonly namespacesFile: IdFile
  /** Undefined where this kernel has no such setting. */
  readonly userNamespaces: {readonly unprivilegedClone: number | undefined; readonly namespacesMax: number | undefined}
}

const PROGRAM_FOLDERS = ['usr/local/sbin', 'usr/local/bin', 'usr/sbin', 'usr/bin', 'sbin', 'bin']
const BOOT_LINES = ['/boot/firmware/cmdline.txt', '/boot/cmdline.txt']
const GRUB_SETTINGS = '/etc/default/grub'
const GRUB_LATER = 'etc/default/grub.d'
const LATER_FILES_MAX = 100
const DELEGATION_PATH = '/etc/systemd/system/user@.service.d/50-creo-delegate.conf'
const NAMESPACES_PATH = '/etc/sysctl.d/60-creo-user-namespaces.conf'
export const GRUB_COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'update-grub': ['update-grub'],
  'grub2-mkconfig': ['grub2-mkconfig', '-o', '/boot/grub2/grub.cfg'],
  'grub-mkconfig': ['grub-mkconfig', '-o', '/boot/grub/grub.cfg']
}

/** Reads a machine below `root`; `/` is this one. Changes nothing. */
export async function readHostFacts(root: string, user: HostFacts['user']): Promise<HostFacts> {
  const {there, text, program} = reader(root)
  const cgroupVersion = (await there('sys/fs/cgroup/cgroup.controllers')) ? 2 : 1
  const manager = `sys/fs/cgroup/user.slice/user-${user.uid}.slice/user@${user.uid}.service/cgroup.controllers`
  const delegated = await text(manager)
  const controllers = words(await text('sys/fs/cgroup/cgroup.controllers'))
  const managers = await Promise.all(PACKAGE_MANAGERS.map(program))
  return {
    user,
    runsSystemd: await there('run/systemd/system'),
    packageManager: PACKAGE_MANAGERS.find((_name, index) => managers[index]),
    programs: {
      podman: await program('podman'),
      ociRuntime: (await program('crun')) || (await program('runc')),
      newuidmap: await program('newuidmap'),
      mount: await program('mount')
    },
    userBus: (await there(`run/user/${user.uid}/bus`))
      ? 'there'
      : (await there('usr/lib/systemd/user/dbus.socket'))
        ? 'startable'
        : 'missing',
    cgroupVersion,
    memoryController: cgroupVersion === 2 ? controllers.includes('memory') : memoryIsOn(await text('proc/cgroups')),
    controllers,
    delegated: delegated === undefined ? undefined : words(delegated),
    lingers: await there(`var/lib/systemd/linger/${user.name}`),
    subuid: {path: '/etc/subuid', text: await text('etc/subuid')},
    subgid: {path: '/etc/subgid', text: await text('etc/subgid')},
    bootLine: await firstFile(BOOT_LINES, text),
    grub: await grub(root, text, program),
    grubby: await program('grubby'),
    kernelWords: words(await text('proc/cmdline')),
    delegationFile: {path: DELEGATION_PATH, text: await text(DELEGATION_PATH)},
    namespacesFile: {path: NAMESPACES_PATH, text: await text(NAMESPACES_PATH)},
    userNamespaces: {
      unprivilegedClone: toNumber(await text('proc/sys/kernel/unprivileged_userns_clone')),
      namespacesMax: toNumber(await text('proc/sys/user/max_user_namespaces'))
    }
  }
}

/** The user of that name, or who runs this. @throws {CreoError} `not_found` when this machine knows no such user. */
export async function findUser(root: string, name: string | undefined): Promise<HostFacts['user']> {
  if (name === undefined) {
    const {username, uid} = userInfo()
    return {name: username, uid}
  }
  const line = ((await reader(root).text('etc/passwd')) ?? '').split('\n').find((one) => one.startsWith(`${name}:`))
  const uid = Number(line?.split(':')[2])
  if (line === undefined || !Number.isInteger(uid)) throw new CreoError('not_found', `This machine has no user "${name}".`)
  return {name, uid}
}

function reader(root: string) {
  const there = (path: string) =>
    access(join(root, path)).then(
      () => true,
      () => false
    )
  const text = (path: string) => readFile(join(root, path), 'utf8').catch(() => undefined)
  const program = async (name: string) => {
    for (const folder of PROGRAM_FOLDERS) if (await there(join(folder, name))) return true
    return false
  }
  return {there, text, program}
}

type Reader = ReturnType<typeof reader>

async function firstFile(paths: readonly string[], text: Reader['text']): Promise<TextFile | undefined> {
  for (const path of paths) {
    const found = await text(path)
    if (found !== undefined) return {path, text: found}
  }
  return undefined
}

async function grub(root: string, text: Reader['text'], program: Reader['program']): Promise<HostFacts['grub']> {
  const settings = await text(GRUB_SETTINGS)
  if (settings === undefined) return undefined
  for (const [name, command] of Object.entries(GRUB_COMMANDS)) {
    if (await program(name)) return {path: GRUB_SETTINGS, text: settings, command, laterText: await laterSettings(root, text)}
  }
  return undefined
}

async function laterSettings(root: string, text: Reader['text']): Promise<string> {
  const names = (await readdir(join(root, GRUB_LATER)).catch(() => [])).filter((name) => name.endsWith('.cfg')).sort()
  const texts = await Promise.all(names.slice(0, LATER_FILES_MAX).map((name) => text(join(GRUB_LATER, name))))
  return texts.join('\n')
}

/** A row of /proc/cgroups: name, hierarchy, groups, enabled. */
function memoryIsOn(cgroups: string | undefined): boolean {
  return /^memory\s+\d+\s+\d+\s+1$/m.test(cgroups ?? '')
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter((word) => word !== '')
}

function toNumber(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}
