import type {InstanceSpec} from './port.ts'

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
  plan(spec: InstanceSpec): SandboxPlan
  /** What this machine's control groups can do. `reach` says how the runtime makes its groups. */
  inspectControlGroups(reach: ControlGroupReach): Promise<ControlGroups>
  /** Ids for containers that no user of this machine owns; undefined when there are none. */
  pickIdRange(): Promise<IdRange | undefined>
  /** What a container started by the process `pid` may be given at most. */
  limitsBelow(pid: number): Promise<ProcessLimits>
  /** The first executable of that name on `path` or where systems keep programs. */
  findProgram(name: string, path?: string): Promise<string | undefined>
  watchDirectory(directory: string): DirectoryWatch
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
  /** Options of the tmpfs that holds it: room for a few sockets and nothing else. `owner` is the function's user on the host. */
  tmpfsOptions(owner: number): string
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

export interface DirectoryWatch {
  /** Resolves at the next change, or at once when there was one since the last call. Rejects with the signal's reason. */
  next(signal?: AbortSignal): Promise<void>
  wake(): void
  close(): void
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
