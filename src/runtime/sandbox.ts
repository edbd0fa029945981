import type {InstanceExit, InstanceSpec, InstanceStats, InstanceTier, RuntimeInstance, RuntimeTools} from './port.ts'

/**
 * What every container runtime needs and none should write a second time: handed to plugins, which import types alone.
 * The sandbox is the same under each of them because it is decided here.
 */
export interface SandboxTools {
  /** Absolute path of the seccomp profile in podman's form, which is the OCI's but for its list of architectures. */
  readonly seccompPath: string
  /** Absolute path of the static program that keeps a container's log within its size, see packaging/init/creo-log.c. */
  readonly logWriterPath: string
  /** User and group inside, whatever the image says: no name, no home, no rights. */
  readonly user: number
  readonly ingress: Ingress
  /** @throws {CreoError} `invalid_input` when no runtime could start that. */
  checkSpec(spec: InstanceSpec): void
  plan(spec: InstanceSpec): SandboxPlan
  /** An instance in the tier that it was made or found in; `isPaused` when it was frozen by the driver's own `pause`. */
  instance(driver: ContainerDriver, found: {readonly tier: InstanceTier; readonly isPaused: boolean}): ContainerInstance
  /** Tries until it is gone or the runtime is closed. */
  removeLater(options: {
    readonly instance: ContainerInstance
    readonly failure: unknown
    readonly isClosed: () => boolean
    readonly log: RuntimeTools['log']
  }): void
  /** A private directory for sockets and mounts, the same for every process over one state directory. */
  makeRunDirectory(options: RunDirectoryOptions): Promise<string>
  /** With all that is mounted in it: for when no instance needs it any more. */
  removeRunDirectory(directory: string): Promise<void>
  /** Answers the path of a copy in `directory`, named after its content. */
  copyProgram(source: string, directory: string): Promise<string>
  /** Mounts the file system for a function's sockets on a directory; `owner` is the function's user on the host. */
  mountIngress(options: IngressMount): Promise<void>
  /** Idempotent. */
  unmountIngress(options: {readonly path: string; readonly signal: AbortSignal}): Promise<void>
  /** What this machine's control groups can do. `reach` says how the runtime makes its groups. */
  inspectControlGroups(reach: ControlGroupReach): Promise<ControlGroups>
  /** The control group in which the process `pid` can be frozen; undefined when it is not that of a container called `name`. */
  findControlGroup(of: {readonly pid: number; readonly name: string}): Promise<ControlGroup | undefined>
  /** True when all processes of the group are off the CPU. */
  isFrozen(group: ControlGroup): Promise<boolean>
  /** Ids for containers that no user of this machine owns; undefined when there are none. */
  pickIdRange(): Promise<IdRange | undefined>
  /** What containers of a user who is not root lack here, one sentence each with what mends it. */
  inspectRootless(): Promise<readonly string[]>
  /** What a container started by the process `pid` may be given at most. */
  limitsBelow(pid: number): Promise<ProcessLimits>
  /** The first executable of that name on `path` or where systems keep programs. */
  findProgram(name: string, path?: string): Promise<string | undefined>
  /**
   * Kills what runs one of `programs` (file names) by a command line that is meant, as our user and in our namespaces, with its descendants; answers
   * those command lines. What a function calls itself is not believed.
   */
  killProcesses(
    isMeant: (argv: readonly string[]) => boolean,
    options: {readonly programs: readonly string[]; readonly graceMs: number; readonly signal: AbortSignal}
  ): Promise<readonly (readonly string[])[]>
  /** Runs a program that ends with this process, however that ends, and resolves when its socket is there. */
  startService(options: ServiceOptions): Promise<ServiceProcess>
}

/** The way in: a directory that the function's user owns and where the init makes a socket. */
export interface Ingress {
  /** Where the directory is bound inside. */
  readonly directory: string
  readonly socketName: string
  /** The init leaves a file of this name when the function was killed for want of memory. */
  readonly oomName: string
  /** Options of the tmpfs that holds it: room for a few sockets and nothing else. `owner` is the function's user where it is mounted. */
  tmpfsOptions(owner: number, mode: '0700' | '0755'): string
}

/** Where the tmpfs of one way in is mounted. */
export interface IngressMount {
  readonly path: string
  /** The function's user, as ids are where it is mounted. */
  readonly owner: number
  /**
   * Without root: a process in the user and mount namespaces that containers of this user are made in. The mount is seen there alone, and so by
   * us below `/proc/<within>/root`.
   */
  readonly within?: number
  readonly signal: AbortSignal
}

/** One instance's sandbox in numbers and paths; a runtime says the same in its own words. */
export interface SandboxPlan {
  /** Where the init is bound inside, and its arguments up to and with `--`; the function's command line follows. */
  readonly initPath: string
  readonly initArguments: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** What else of the host is bound inside, read-only: the ways out. */
  readonly binds: readonly {readonly source: string; readonly destination: string}[]
  /** Settings of the container's own kernel namespaces. */
  readonly sysctls: Readonly<Record<string, string>>
  readonly shmBytes: number
  readonly cpuPeriodMicros: number
  readonly cpuQuotaMicros: number
  /** With the init's own. */
  readonly pidsMax: number
  readonly oomScore: number
}

/** Ids that a container's users are mapped to: inside 0…65535, on the host `base`…`base + 65535`. */
export interface IdRange {
  readonly base: number
  readonly size: number
}

/** Hard limits that a process has, and so the most that its children may be given without a privilege of their own. */
export interface ProcessLimits {
  readonly openFilesMax: number
  readonly processesMax: number
  readonly coreBytesMax: number
}

export interface ControlGroupReach {
  readonly rootful: boolean
  readonly manager: 'systemd' | 'cgroupfs'
}

export interface ControlGroups {
  readonly version: 1 | 2
  /** Version 1 with version 2 mounted beside it. */
  readonly hybrid: boolean
  readonly limitsSwap: boolean
  /** One sentence for each limit that can't be enforced, with what mends it. */
  readonly problems: readonly string[]
}

/** The control group of one container, in the hierarchy that can freeze it. */
export interface ControlGroup {
  readonly version: 1 | 2
  /** Below the root of that hierarchy. */
  readonly path: string
}

export interface RunDirectoryOptions {
  readonly stateDirectory: string
  /** Where it may be, the best first; undefined ones are passed over. */
  readonly bases: readonly (string | undefined)[]
  readonly mode: number
}

/** Where a container's output lies. */
export interface LogFiles {
  readonly path: string
  /** What was in `path` before it was full; undefined when that is not kept. */
  readonly olderPath?: string
  /** Made for each file: turns its pieces, in order, into what the function wrote. */
  readonly unwrap?: () => (chunk: Buffer) => Buffer
}

/** What one runtime does to one container; all else that an instance does is the same under each. */
export interface ContainerDriver {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly socketPath: string
  readonly log: LogFiles
  /** How its first process ended; for one that never ran, settled by `remove`. */
  readonly exited: Promise<InstanceExit>
  /** From `created` or `initialised`. */
  start(signal: AbortSignal): Promise<void>
  /** Where the container's processes can be frozen; undefined when only `pause` can. */
  controlGroup(signal: AbortSignal): Promise<ControlGroup | undefined>
  pause(signal: AbortSignal): Promise<void>
  unpause(signal: AbortSignal): Promise<void>
  /** Sends SIGTERM to the first process; false when there is none. */
  terminate(signal: AbortSignal): Promise<boolean>
  /** Kills what still runs and removes everything of it, whatever state it is in. Idempotent. */
  remove(signal: AbortSignal): Promise<void>
  stats(signal: AbortSignal): Promise<InstanceStats>
}

/** An instance for the runtime that made it. */
export interface ContainerInstance extends RuntimeInstance {
  /** True while `run` is under way. */
  readonly isStarting: boolean
  /** `stop` without a word of warning; it may be tried again when it failed. */
  remove(): Promise<void>
}

export interface ServiceOptions {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly workingDirectory: string
  readonly socketPath: string
  readonly signal: AbortSignal
}

/** A service that listens on its socket, or will in a moment. */
export interface ServiceProcess {
  /** Of the program itself. */
  readonly pid: number
  /** Resolves when it is gone, with the end of what it wrote to stderr. */
  readonly ended: Promise<string>
  end(): Promise<void>
}
