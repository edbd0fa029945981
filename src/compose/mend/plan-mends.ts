import {hasSubordinateIds, RANGE_IDS, subordinateRanges} from '../../runtime/id-range.ts'
import type {HostFacts, IdFile, PackageManager} from './host-facts.ts'
import {inBootLine, inGrubSettings, type KernelWords} from './kernel-words.ts'

/** One file as it is and as it shall be. `before` is undefined when there is none yet. */
export interface FileEdit {
  readonly path: string
  readonly before: string | undefined
  readonly after: string
}

export type MendId = 'packages' | 'subordinate-ids' | 'user-namespaces' | 'memory-controller' | 'unified-cgroups' | 'delegation' | 'linger'

/** What would mend one problem: files first, then commands. Nothing else is touched. */
export interface Mend {
  readonly id: MendId
  /** What is wrong, in one sentence. */
  readonly why: string
  readonly edits: readonly FileEdit[]
  readonly commands: readonly (readonly string[])[]
  /** What is run once the files are as before again. */
  readonly undoCommands: readonly (readonly string[])[]
  /** When it holds. */
  readonly holds: 'now' | 'after_reboot'
  /** What a person must do because this program can't do it safely; edits and commands are empty then. */
  readonly byHand?: string
}

const LIMIT_CONTROLLERS = ['memory', 'cpu', 'pids']
const DELEGATION =
  '# Written by creo doctor --fix: functions of a user without root get limits that hold.\n[Service]\nDelegate=cpu cpuset io memory pids\n'
/** As many as a small machine's kernel allows by itself. */
const NAMESPACES_MAX = 15_000
const SUBORDINATE_BASE = 100_000
const SUBORDINATE_END = 2 ** 31

const INSTALL: Readonly<Record<PackageManager, readonly string[]>> = {
  'apt-get': ['apt-get', 'install', '-y', '--no-install-recommends'],
  dnf: ['dnf', 'install', '-y'],
  apk: ['apk', 'add'],
  pacman: ['pacman', '-S', '--needed', '--noconfirm']
}
/** Which package brings what, where it is not called the same. */
const PACKAGES: Readonly<Record<PackageManager, {readonly newuidmap: string; readonly mount: string; readonly bus: string | undefined}>> = {
  'apt-get': {newuidmap: 'uidmap', mount: 'mount', bus: 'dbus-user-session'},
  dnf: {newuidmap: 'shadow-utils', mount: 'util-linux', bus: undefined},
  apk: {newuidmap: 'shadow-uidmap', mount: 'mount', bus: undefined},
  pacman: {newuidmap: 'shadow', mount: 'util-linux', bus: undefined}
}

/** What is wrong with this machine for containers of that user, and what mends it; in the order in which it must be done. */
export function planMends(facts: HostFacts): readonly Mend[] {
  const rootless = facts.user.uid !== 0
  return [
    ...packages(facts, rootless),
    ...userNamespaces(facts, rootless),
    ...(rootless ? subordinateIds(facts) : []),
    ...kernelMends(facts, rootless),
    ...(rootless ? [...delegation(facts), ...linger(facts)] : [])
  ]
}

const NOTHING = {edits: [], commands: [], undoCommands: [], holds: 'now'} as const

function packages({packageManager, programs, userBus, runsSystemd}: HostFacts, rootless: boolean): Mend[] {
  const needsIdTool = rootless && !programs.newuidmap
  const needsBus = rootless && runsSystemd && userBus === 'missing'
  const names = (manager: PackageManager) => [
    ...(programs.podman ? [] : ['podman']),
    ...(programs.ociRuntime ? [] : ['crun']),
    ...(programs.mount ? [] : [PACKAGES[manager].mount]),
    ...(needsIdTool ? [PACKAGES[manager].newuidmap] : []),
    ...(needsBus ? [PACKAGES[manager].bus ?? []].flat() : [])
  ]
  const wanted = names(packageManager ?? 'apt-get')
  if (wanted.length === 0) return []
  const why = `Not installed: ${wanted.join(', ')}.`
  if (packageManager === undefined) {
    return [
      {...NOTHING, id: 'packages', why, byHand: `Install ${wanted.join(', ')} (as Debian calls them) with this system's package manager.`}
    ]
  }
  return [{...NOTHING, id: 'packages', why, commands: [[...INSTALL[packageManager], ...wanted]]}]
}

function userNamespaces({userNamespaces: settings, namespacesFile}: HostFacts, rootless: boolean): Mend[] {
  const {unprivilegedClone, namespacesMax} = settings
  const lines = [
    ...(rootless && unprivilegedClone === 0 ? ['kernel.unprivileged_userns_clone = 1'] : []),
    ...(namespacesMax === 0 ? [`user.max_user_namespaces = ${NAMESPACES_MAX}`] : [])
  ]
  if (lines.length === 0) return []
  const {path, text = '# Written by creo doctor --fix.\n'} = namespacesFile
  const missing = lines.filter((line) => !text.split('\n').includes(line)).map((line) => `${line}\n`)
  const after = missing.length === 0 ? text : `${text}${text.endsWith('\n') ? '' : '\n'}${missing.join('')}`
  const undo = [['sysctl', '-w', ...lines.map((line) => line.replace(/ = .*/, '=0'))]]
  return [
    {
      id: 'user-namespaces',
      why: 'User namespaces are switched off, and no function runs without one.',
      ...dropIn(editsOf(namespacesFile, after), [['sysctl', '-p', path]], undo)
    }
  ]
}

function subordinateIds({user, subuid, subgid}: HostFacts): Mend[] {
  const files = [subuid, subgid].filter(({text = ''}) => !hasSubordinateIds(text, user))
  if (files.length === 0) return []
  const base = freeBase(`${subuid.text ?? ''}\n${subgid.text ?? ''}`)
  const why = `${user.name} has no ${RANGE_IDS} ids for containers in ${files.map(({path}) => path).join(' and ')}.`
  if (base === undefined) return [{...NOTHING, id: 'subordinate-ids', why, byHand: 'No ids are free: shorten the ranges of others.'}]
  const line = `${user.name}:${base}:${RANGE_IDS}\n`
  const edits = files.map(({path, text: before}) => {
    const text = before ?? ''
    return {path, before, after: `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}`}
  })
  return [{...NOTHING, id: 'subordinate-ids', why, edits}]
}

function freeBase(text: string): number | undefined {
  const ends = subordinateRanges(text).map(({first, count}) => first + count)
  const base = Math.max(SUBORDINATE_BASE, ...ends)
  return base + RANGE_IDS <= SUBORDINATE_END ? base : undefined
}

interface KernelLack {
  readonly id: MendId
  readonly why: string
  readonly change: KernelWords
}

function memoryController(facts: HostFacts): KernelLack[] {
  if (facts.memoryController) return []
  const change = {add: ['cgroup_enable=memory', 'cgroup_memory=1'], drop: ['cgroup_disable=memory']}
  return [{id: 'memory-controller', why: 'The kernel’s memory controller is off, so no memory limit holds.', change}]
}

function unifiedCgroups({cgroupVersion}: HostFacts): KernelLack[] {
  if (cgroupVersion === 2) return []
  const why = 'Control groups are of version 1, which ignores the limits of a user without root.'
  const change = {add: ['systemd.unified_cgroup_hierarchy=1'], drop: ['systemd.unified_cgroup_hierarchy=0']}
  return [{id: 'unified-cgroups', why, change}]
}

/** One mend for all that the kernel's command line lacks: two of them would each be made from the same text. It is called after the first. */
function kernelMends(facts: HostFacts, rootless: boolean): Mend[] {
  const unified = rootless ? unifiedCgroups(facts) : []
  const byWords = [...memoryController(facts), ...(facts.runsSystemd ? unified : [])]
  const [first] = byWords
  const byPerson = (facts.runsSystemd ? [] : unified).map(({id, why}) => ({
    ...NOTHING,
    id,
    why,
    byHand: 'Have this system mount version 2 of control groups at /sys/fs/cgroup, or run creo as root.'
  }))
  if (first === undefined) return byPerson
  const change = {add: byWords.flatMap((lack) => lack.change.add), drop: byWords.flatMap((lack) => lack.change.drop)}
  return [kernelMend(facts, first.id, byWords.map(({why}) => why).join(' '), change), ...byPerson]
}

/** Through the boot loader that is there, and by hand where there is none that we can read for certain. */
function kernelMend({bootLine, grub, grubby, kernelWords}: HostFacts, id: MendId, why: string, change: KernelWords): Mend {
  if (!bootLine && grubby) return {id, why, edits: [], ...throughGrubby(change, kernelWords), holds: 'after_reboot'}
  const byHand = `Add ${change.add.join(' ')} to the kernel’s command line, take ${change.drop.join(' ')} off it and boot again.`
  const file = bootLine ?? grub
  const after = bootLine ? inBootLine(bootLine.text, change) : grub && inGrubSettings(grub.text, change, grub.laterText)
  if (file === undefined || after === undefined) return {...NOTHING, id, why, holds: 'after_reboot', byHand}
  const edits = editsOf({path: file.path, text: file.text}, after)
  const commands = bootLine || !grub ? [] : [grub.command]
  return {id, why, edits, commands, undoCommands: edits.length === 0 ? [] : commands, holds: 'after_reboot'}
}

/** Taken back is only what the running kernel was not started with. */
function throughGrubby({add, drop}: KernelWords, kernelWords: readonly string[]): Pick<Mend, 'commands' | 'undoCommands'> {
  const grubby = (added: readonly string[], dropped: readonly string[]) => [
    'grubby',
    '--update-kernel=ALL',
    ...(added.length === 0 ? [] : [`--args=${added.join(' ')}`]),
    ...(dropped.length === 0 ? [] : [`--remove-args=${dropped.join(' ')}`])
  ]
  const back = {add: drop.filter((word) => kernelWords.includes(word)), drop: add.filter((word) => !kernelWords.includes(word))}
  return {commands: [grubby(add, drop)], undoCommands: back.add.length + back.drop.length === 0 ? [] : [grubby(back.add, back.drop)]}
}

/** None when the file is so already. */
function editsOf({path, text}: IdFile, after: string): FileEdit[] {
  return text === after ? [] : [{path, before: text, after}]
}

function delegation({cgroupVersion, runsSystemd, controllers, delegated, delegationFile}: HostFacts): Mend[] {
  if (cgroupVersion !== 2 || !runsSystemd || delegated === undefined) return []
  const missing = LIMIT_CONTROLLERS.filter((name) => controllers.includes(name) && !delegated.includes(name))
  if (missing.length === 0) return []
  const reload = [['systemctl', 'daemon-reload']]
  return [
    {
      id: 'delegation',
      why: `systemd does not hand a user's services the control group controllers ${missing.join(', ')}.`,
      ...dropIn(editsOf(delegationFile, DELEGATION), reload, reload)
    }
  ]
}

/** Where the file says all that it should and the trouble is there all the same, only a reboot can be told to help, and nothing is to be taken back. */
function dropIn(edits: readonly FileEdit[], commands: Mend['commands'], undoCommands: Mend['undoCommands']): Omit<Mend, 'id' | 'why'> {
  return edits.length === 0 ? {edits, commands, undoCommands: [], holds: 'after_reboot'} : {edits, commands, undoCommands, holds: 'now'}
}

function linger({runsSystemd, lingers, user}: HostFacts): Mend[] {
  if (!runsSystemd || lingers) return []
  return [
    {
      ...NOTHING,
      id: 'linger',
      why: `Functions of ${user.name} end when ${user.name} logs out, and none start at boot.`,
      commands: [['loginctl', 'enable-linger', user.name]],
      undoCommands: [['loginctl', 'disable-linger', user.name]]
    }
  ]
}
