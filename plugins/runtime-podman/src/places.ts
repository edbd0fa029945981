import {mkdir, readdir, readFile, rename, symlink, writeFile} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'
import type {RuntimeTools} from 'creo/runtime'
import type {Host} from './host.ts'

/** Where everything of one runtime lies. */
export interface Places {
  /** Images and containers: survives a reboot. */
  readonly storage: string
  /** One JSON file for each image that was prepared. */
  readonly images: string
  /** One directory for each instance, on disk and not in memory as `/run` is. */
  readonly logs: string
  readonly policy: string
  readonly initPath: string
  /** Sockets and mounts; short, since a unix socket's path has at most 107 bytes. */
  readonly run: string
  /** One directory for each instance, where its way in is mounted. */
  readonly instances: string
  /** The same as this process sees what is mounted there: without root, a link into the namespaces of podman. */
  readonly doors: string
  /** Without root podman keeps a process that holds its namespaces; its id is here. */
  readonly pausePidPath: string
  /** Environment for podman: its settings are ours and not the machine's. */
  readonly env: Readonly<Record<string, string>>
}

/** Each process's podman service has a socket of this name and a random end. */
export const SERVICE_SOCKET_PREFIX = 'api-'
/** What a command line of ours is called in the list of processes: after the process that it serves. */
export const COMMAND_NAME_PREFIX = 'creo-podman-'
const KEPT_VARIABLES = ['PATH', 'HOME', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS', 'TMPDIR', 'LANG']

/** Makes the directories and settings files. Doing it again changes nothing. */
export async function layOut(tools: RuntimeTools, host: Host): Promise<Places> {
  const state = tools.stateDirectory
  const bases = host.rootful ? ['/run', '/tmp'] : [tools.env.XDG_RUNTIME_DIR, '/tmp']
  const run = await tools.sandbox.makeRunDirectory({stateDirectory: state, bases, mode: host.rootful ? 0o711 : 0o700})
  const places = {
    storage: join(state, 'storage'),
    images: join(state, 'images'),
    instances: join(run, 'i'),
    doors: join(run, host.rootful ? 'i' : 'n'),
    pausePidPath: join(run, 'tmp/pause.pid'),
    logs: join(state, 'logs'),
    policy: join(state, 'policy.json')
  }
  for (const directory of [places.storage, places.images, places.logs, places.instances, join(state, 'network')])
    await mkdir(directory, {recursive: true, mode: 0o711})
  await mkdir(dirname(places.pausePidPath), {recursive: true, mode: 0o700})
  // Set to nothing it names no file.
  const given = tools.env.CONTAINERS_CONF === '' ? undefined : tools.env.CONTAINERS_CONF
  const containersConf = given ?? join(state, 'containers.conf')
  if (given === undefined) await replaceFile(containersConf, containersSettings(host, join(state, 'network')))
  await replaceFile(join(state, 'storage.conf'), storageSettings(host, places.storage, join(run, 'run')))
  await replaceFile(join(state, 'registries.conf'), 'unqualified-search-registries = []\n')
  await replaceFile(places.policy, JSON.stringify({default: [{type: 'insecureAcceptAnything'}]}))
  const kept = KEPT_VARIABLES.flatMap((name) => (tools.env[name] === undefined ? [] : [[name, tools.env[name]] as const]))
  return {
    ...places,
    run,
    initPath: await tools.sandbox.copyProgram(tools.initPath, state),
    env: {
      ...Object.fromEntries(kept),
      ...(host.rootful ? {} : await ownRuntimeDirectory(tools, run)),
      DISABLE_HC_SYSTEMD: 'true',
      CONTAINERS_CONF: containersConf,
      CONTAINERS_STORAGE_CONF: join(state, 'storage.conf'),
      CONTAINERS_REGISTRIES_CONF: join(state, 'registries.conf')
    }
  }
}

/**
 * Without root, podman joins the namespaces of whatever podman of this user ran before, which it looks for in their runtime directory. With one of
 * its own it makes and keeps its own. The user's message bus, by which limits are asked for, is linked there.
 */
async function ownRuntimeDirectory({env}: RuntimeTools, run: string): Promise<Record<string, string>> {
  if (env.XDG_RUNTIME_DIR)
    await symlink(join(env.XDG_RUNTIME_DIR, 'bus'), join(run, 'bus')).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  return {XDG_RUNTIME_DIR: run}
}

/**
 * Removes what lies outside the state directory, when neither an instance nor another process needs it: a later start makes it
 * anew, as after a reboot.
 */
export async function clearAway(tools: RuntimeTools, places: Places): Promise<void> {
  const instances = await readdir(places.instances).catch(() => [])
  const sockets = await readFile('/proc/net/unix', 'utf8')
  if (instances.length > 0 || sockets.includes(join(places.run, SERVICE_SOCKET_PREFIX))) return
  const overlay = join(places.storage, 'overlay')
  // podman mounts its storage on itself and leaves it so.
  if ((await readFile('/proc/self/mounts', 'utf8')).includes(` ${overlay} `))
    await tools.execa('umount', ['--lazy', overlay], {reject: false, stdin: 'ignore'})
  await endPause(places)
  await tools.sandbox.removeRunDirectory(places.run)
}

/** The process that holds the namespaces of podman without root, if it is still the one. It is nobody else's: its note lies with our sockets. */
async function endPause({pausePidPath}: Places): Promise<void> {
  const pid = Number(await readFile(pausePidPath, 'utf8').catch(() => ''))
  if (!Number.isInteger(pid) || pid <= 1) return
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const name = basename(command.split('\0')[0] ?? '')
  if (name !== 'podman' && !name.startsWith(COMMAND_NAME_PREFIX)) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    // Another runtime over the same state was quicker.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Locks in files of our own: podman's default is a segment that all storage roots of the machine share. */
function containersSettings(host: Host, networkDirectory: string): string {
  return [
    '[containers]',
    'http_proxy = false',
    '[engine]',
    `runtime = ${JSON.stringify(host.ociRuntime)}`,
    `cgroup_manager = "${host.cgroupManager}"`,
    'events_logger = "file"',
    'lock_type = "file"',
    '[network]',
    `network_config_dir = ${JSON.stringify(networkDirectory)}`,
    ''
  ].join('\n')
}

function storageSettings(host: Host, graphRoot: string, runRoot: string): string {
  return [
    '[storage]',
    `driver = "${host.storageDriver}"`,
    `graphroot = ${JSON.stringify(graphRoot)}`,
    `runroot = ${JSON.stringify(runRoot)}`,
    ''
  ].join('\n')
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}`
  await writeFile(temporary, text, {mode: 0o600})
  await rename(temporary, path)
}
