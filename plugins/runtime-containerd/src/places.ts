import {mkdir, readdir, readFile, rename, writeFile} from 'node:fs/promises'
import {basename, join} from 'node:path'
import type {RuntimeTools} from 'creo/runtime'

/** Where everything of one runtime lies. */
export interface Places {
  /** One JSON file for each image that was prepared. */
  readonly images: string
  /** The root file systems of prepared images, owners already mapped. */
  readonly roots: string
  /** One directory for each instance: its spec, labels and log, on disk and not in memory as `/run` is. */
  readonly instances: string
  /** Half-made images. What a killed process left there goes when images are pruned. */
  readonly work: string
  readonly configPath: string
  readonly initPath: string
  readonly logWriterPath: string
  /** Sockets and mounts; short, since a unix socket's path has at most 107 bytes. */
  readonly run: string
  /** containerd's API. The path never changes: containers' monitors report to it after a restart too. */
  readonly socketPath: string
  /** The id of the process that started containerd. */
  readonly ownerPath: string
  /** Where functions' sockets are, one file system for each instance. */
  readonly sockets: string
  /** Where images' roots are mounted for containers: the state directory itself is nobody's to enter. */
  readonly mounts: string
  /** runc's own notes: not where every containerd of the machine has them. */
  readonly runcState: string
  /** Under this all control groups of this runtime are made. */
  readonly controlGroup: string
}

/** Plugins that do what we don't use, or write elsewhere than below our directories. A name that this containerd lacks does nothing. */
const DISABLED_PLUGINS = [
  'io.containerd.grpc.v1.cri',
  'io.containerd.internal.v1.opt',
  'io.containerd.internal.v1.restart',
  'io.containerd.internal.v1.tracing',
  'io.containerd.tracing.processor.v1.otlp',
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.zfs'
]

/** Makes the directories and settings files. Doing it again changes nothing. */
export async function layOut(tools: RuntimeTools): Promise<Places> {
  const state = tools.stateDirectory
  const run = await tools.sandbox.makeRunDirectory({stateDirectory: state, bases: ['/run'], mode: 0o711})
  const below = (name: string) => join(state, name)
  const places = {
    images: below('images'),
    roots: below('roots'),
    instances: below('instances'),
    work: below('work'),
    configPath: below('containerd.toml'),
    run,
    socketPath: join(run, 'containerd.sock'),
    ownerPath: join(run, 'containerd.pid'),
    sockets: join(run, 'i'),
    mounts: join(run, 'r'),
    runcState: join(run, 'runc'),
    controlGroup: `/${basename(run)}`
  }
  for (const directory of [places.images, places.roots, places.instances, places.work])
    await mkdir(directory, {recursive: true, mode: 0o700})
  await makeMountPoints(places)
  const temporary = `${places.configPath}.${process.pid}`
  await writeFile(temporary, settings(below('root'), join(run, 'state'), places.socketPath), {mode: 0o600})
  await rename(temporary, places.configPath)
  const {copyProgram, logWriterPath} = tools.sandbox
  const programs = {initPath: await copyProgram(tools.initPath, state), logWriterPath: await copyProgram(logWriterPath, state)}
  return {...places, ...programs}
}

/** Another process over the same state may have cleared them away. */
export async function makeMountPoints({sockets, mounts}: Pick<Places, 'sockets' | 'mounts'>): Promise<void> {
  for (const directory of [sockets, mounts]) await mkdir(directory, {recursive: true, mode: 0o711})
}

/** Removes what lies outside the state directory when no instance needs it: a later start makes it anew, as after a reboot. True when it did. */
export async function clearAway(tools: RuntimeTools, places: Places): Promise<boolean> {
  if ((await readdir(places.instances)).length > 0) return false
  if ((await readFile('/proc/net/unix', 'utf8')).includes(places.socketPath)) return false
  await tools.sandbox.removeRunDirectory(places.run)
  return true
}

function settings(root: string, state: string, address: string): string {
  return [
    'version = 2',
    `root = ${JSON.stringify(root)}`,
    `state = ${JSON.stringify(state)}`,
    `disabled_plugins = ${JSON.stringify(DISABLED_PLUGINS)}`,
    '[grpc]',
    `address = ${JSON.stringify(address)}`,
    '[debug]',
    'level = "warn"',
    ''
  ].join('\n')
}
