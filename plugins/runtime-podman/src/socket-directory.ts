import {randomUUID} from 'node:crypto'
import {lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import type {RuntimeTools} from 'creo/runtime'
import type {Host} from './host.ts'
import type {Places} from './places.ts'
import type {PodmanCommands} from './podman-commands.ts'

/** The directories through which functions are reached, one for each instance. */
export class SocketDirectories {
  readonly #tools: RuntimeTools
  readonly #host: Host
  readonly #places: Places
  readonly #commands: PodmanCommands

  constructor(tools: RuntimeTools, host: Host, places: Places, commands: PodmanCommands) {
    this.#tools = tools
    this.#host = host
    this.#places = places
    this.#commands = commands
  }

  /** What is bound into the container. */
  path(id: string): string {
    return join(this.#places.instances, id)
  }

  /** The same, with what is mounted there, as this process sees it. */
  door(id: string): string {
    return join(this.#places.doors, id)
  }

  /** The host's end of the function's socket. */
  socketPath(id: string): string {
    return join(this.door(id), this.#tools.sandbox.ingress.socketName)
  }

  /** True when the init left word that the function was killed for want of memory. Only the function could forge that, about itself. */
  async ranOutOfMemory(id: string): Promise<boolean> {
    return (await lstat(join(this.door(id), this.#tools.sandbox.ingress.oomName)).catch(() => undefined)) !== undefined
  }

  logPath(id: string): string {
    return join(this.#places.logs, id, 'log')
  }

  /** Ids of all directories, also of those whose container was never made. */
  async ids(): Promise<string[]> {
    const entries = await readdir(this.#places.instances, {withFileTypes: true})
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  }

  /** @throws {CreoError} `conflict` when an instance of this id is there. */
  async claim(id: string): Promise<void> {
    await mkdir(this.path(id), {mode: 0o700}).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EEXIST') throw this.#commands.failure(`The directory ${this.path(id)} can't be made.`, cause)
      throw this.taken(id, cause)
    })
    await mkdir(dirname(this.logPath(id)), {recursive: true, mode: 0o700})
  }

  taken(id: string, cause?: unknown): Error {
    return new this.#tools.CreoError('conflict', `An instance "${id}" is already there.`, {hint: 'Stop it, or choose another id.', cause})
  }

  /** A file system of its own, owned by the function's user, so that filling it fills nothing else. */
  async mount(id: string, signal: AbortSignal): Promise<void> {
    const {sandbox} = this.#tools
    const path = this.path(id)
    if (this.#host.rootful) {
      const range = this.#host.idRange
      if (range) await sandbox.mountIngress({path, owner: range.base + sandbox.user, signal})
      return
    }
    const within = await this.#namespaces(signal)
    await sandbox.mountIngress({path, owner: sandbox.user, within, signal})
  }

  /** The process that holds podman's namespaces, after the link to what is mounted in there points through it. */
  async #namespaces(signal: AbortSignal): Promise<number> {
    const {doors, instances, pausePidPath} = this.#places
    const read = async () => Number(await readFile(pausePidPath, 'utf8').catch(() => ''))
    // Any command of podman makes it where there is none.
    if (!(await read())) await this.#commands.run(['unshare', 'true'], signal)
    const pid = await read()
    if (!pid) throw this.#commands.failure(`podman keeps no namespaces: ${pausePidPath} is not there.`)
    const target = `/proc/${pid}/root${instances}`
    if ((await readlink(doors).catch(() => '')) === target) return pid
    const beside = `${doors}.${randomUUID()}`
    await symlink(target, beside)
    await rename(beside, doors)
    return pid
  }

  /** Idempotent. What the function left in it is never followed. */
  async release(id: string, signal: AbortSignal): Promise<void> {
    const path = this.path(id)
    await this.#tools.sandbox.unmountIngress({path, signal})
    await rm(dirname(this.logPath(id)), {recursive: true, force: true})
    await rm(path, {recursive: true, force: true}).catch(async (error: NodeJS.ErrnoException) => {
      if (this.#host.rootful || (error.code !== 'EACCES' && error.code !== 'EPERM'))
        throw this.#commands.failure(`${path} can't be removed.`, error)
      // Without root, directories made by the function belong to ids that only podman's own namespace may touch.
      await this.#commands.run(['unshare', 'rm', '-rf', path], signal)
    })
  }
}
