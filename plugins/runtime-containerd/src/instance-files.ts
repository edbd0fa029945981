import {lstat, mkdir, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {InstanceExit, InstanceSpec, RuntimeTools} from 'creo/runtime'
import type {ContainerdService} from './containerd-service.ts'
import type {Host} from './host.ts'
import type {Places} from './places.ts'

/** What a later process needs to know of an instance. */
export interface InstanceRecord {
  readonly imageDigest: string
  readonly labels: Readonly<Record<string, string>>
}

/** What a later process needs to run an instance that waits. */
export interface WaitingRecord {
  readonly specPath: string
  readonly logBytes: number
}

/** What is kept of each instance: a directory on disk, and a small file system in memory for its socket. */
export class InstanceFiles {
  readonly #tools: RuntimeTools
  readonly #host: Host
  readonly #places: Places
  readonly #service: ContainerdService

  constructor(tools: RuntimeTools, host: Host, places: Places, service: ContainerdService) {
    this.#tools = tools
    this.#host = host
    this.#places = places
    this.#service = service
  }

  socketDirectory(id: string): string {
    return join(this.#places.sockets, id)
  }

  socketPath(id: string): string {
    return join(this.socketDirectory(id), this.#tools.sandbox.ingress.socketName)
  }

  logPath(id: string): string {
    return join(this.#directory(id), 'log')
  }

  /** How containerd's monitor starts the program that keeps the log. */
  logUri(id: string, bytes: number): string {
    const query = `--log=${encodeURIComponent(this.logPath(id))}&--bytes=${bytes}`
    const program = this.#places.logWriterPath.split('/').map(encodeURIComponent).join('/')
    return `binary://${program}?${query}`
  }

  async ids(): Promise<string[]> {
    return readdir(this.#places.instances)
  }

  /** @throws {CreoError} `conflict` when an instance of this id is there. */
  async claim(spec: InstanceSpec): Promise<void> {
    await mkdir(this.#directory(spec.id), {mode: 0o700}).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EEXIST') throw this.#service.failure(`The directory ${this.#directory(spec.id)} can't be made.`, cause)
      throw this.taken(spec.id)
    })
    const record: InstanceRecord = {imageDigest: spec.imageDigest, labels: spec.labels}
    await this.#write(spec.id, 'instance.json', record)
  }

  taken(id: string): Error {
    return new this.#tools.CreoError('conflict', `An instance "${id}" is already there.`, {hint: 'Stop it, or choose another id.'})
  }

  /** Undefined when there is none, or half of one. */
  record(id: string): Promise<InstanceRecord | undefined> {
    return this.#read<InstanceRecord>(id, 'instance.json')
  }

  /** Answers the path of the spec that runc will read. */
  writeSpec(id: string, spec: Record<string, unknown>): Promise<string> {
    return this.#write(id, 'spec.json', spec)
  }

  /** From now on it counts as created: all that it needs is there. */
  async writeWaiting(id: string, waiting: WaitingRecord): Promise<void> {
    await this.#write(id, 'waiting.json', waiting)
  }

  waiting(id: string): Promise<WaitingRecord | undefined> {
    return this.#read<WaitingRecord>(id, 'waiting.json')
  }

  /** Before containerd hears of it, so that nobody takes what may have been started for one that waits. */
  async dropWaiting(id: string): Promise<void> {
    await rm(join(this.#directory(id), 'waiting.json'), {force: true})
  }

  /** How it ended, for a process that comes later. */
  async writeExit(id: string, exit: InstanceExit): Promise<void> {
    await this.#write(id, 'exit.json', exit)
  }

  exit(id: string): Promise<InstanceExit | undefined> {
    return this.#read<InstanceExit>(id, 'exit.json')
  }

  /** True when the init left word that the function was killed for want of memory. Only the function could forge that, about itself. */
  async ranOutOfMemory(id: string): Promise<boolean> {
    const path = join(this.socketDirectory(id), this.#tools.sandbox.ingress.oomName)
    return (await lstat(path).catch(() => undefined)) !== undefined
  }

  /** A file system of its own, owned by the function's user, so that filling it fills nothing else. */
  async mount(id: string, signal: AbortSignal): Promise<void> {
    const path = this.socketDirectory(id)
    await mkdir(path, {mode: 0o700})
    await this.#tools.sandbox.mountIngress({path, owner: (this.#host.idRange?.base ?? 0) + this.#tools.sandbox.user, signal})
  }

  /** Idempotent. What the function left in it is never followed. The claim goes last: until then the id is taken. */
  async release(id: string, signal: AbortSignal): Promise<void> {
    const path = this.socketDirectory(id)
    await this.#tools.sandbox.unmountIngress({path, signal})
    await rm(path, {recursive: true, force: true})
    await rm(this.#directory(id), {recursive: true, force: true})
  }

  #directory(id: string): string {
    return join(this.#places.instances, id)
  }

  async #write(id: string, name: string, value: object): Promise<string> {
    const path = join(this.#directory(id), name)
    await writeFile(`${path}.new`, JSON.stringify(value))
    await rename(`${path}.new`, path)
    return path
  }

  async #read<Value>(id: string, name: string): Promise<Value | undefined> {
    const text = await readFile(join(this.#directory(id), name), 'utf8').catch(() => '')
    return text === '' ? undefined : (JSON.parse(text) as Value)
  }
}
