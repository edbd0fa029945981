import type {Readable} from 'node:stream'
import type {SandboxTools} from './sandbox.ts'

export type {
  ContainerDriver,
  ContainerInstance,
  ControlGroup,
  ControlGroups,
  IdRange,
  ProcessLimits,
  SandboxPlan,
  ServiceProcess
} from './sandbox.ts'

/** The readiness tiers of an instance, warmest first. Each is cheaper to hold and slower to leave than the one before. */
export type InstanceTier = 'running' | 'frozen' | 'initialised' | 'created'

/** A tier in which an instance waits without a process of its function: it has used none of what it may use. */
export type WaitingTier = 'initialised' | 'created'

/** A tier in which a runtime can keep an instance that nobody asks for. */
export interface HeldTier {
  readonly tier: Exclude<InstanceTier, 'running'>
  /** Memory that one instance costs the machine in this tier, beside what its function has taken (which only a frozen one has). */
  readonly heldBytes: number
}

/** What one instance may use. Every field is enforced by the host, or `probe` says that it cannot be. */
export interface InstanceLimits {
  readonly memoryBytes: number
  /** Thousandths of one CPU. */
  readonly cpuMillis: number
  readonly pidsMax: number
  /** Size of the writable scratch directory `/tmp`, a tmpfs owned by the function's user. */
  readonly scratchBytes: number
  /** Log bytes kept on disk per instance before the oldest are dropped. */
  readonly logBytes: number
}

/** How an instance reaches what is outside of it: unix sockets of the caller's. */
export interface WaysOut {
  /**
   * Absolute directory on the host, readable by anybody, with the sockets (mode 0666) and, if there are `hosts`, a file with what
   * `hostsText` says. It stays bound as long as the container is there: a later process may put new sockets in place of old ones.
   */
  readonly directory: string
  /** The socket `proxy` is an HTTP CONNECT proxy: the function finds it as `$HTTP_PROXY` (`http://127.0.0.1:<port>`). */
  readonly proxy: boolean
  /** Names by which the function reaches the socket `calls`, on port 80. */
  readonly hosts: readonly string[]
  /**
   * The socket `secrets` says more of the function's environment (`secretsBytes`) each time that its process is started: what is given so lies
   * in no file and on no command line.
   */
  readonly secrets?: boolean
}

export interface InstanceSpec {
  /** Chosen by the caller, unique per runtime: `[a-z0-9-]{1,60}`. Starting the same id twice is an error (`conflict`). */
  readonly id: string
  /** Manifest digest `sha256:…` of an image that `prepare` has accepted. */
  readonly imageDigest: string
  /** Command line; empty means the image's own entrypoint and command. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** The TCP port inside the container that the function listens on; also given to it as `$PORT`. */
  readonly port: number
  readonly limits: InstanceLimits
  /** Left out, nothing leaves the container. */
  readonly waysOut?: WaysOut
  /** Kept with the instance and returned by `list`; at most 16 pairs. */
  readonly labels: Readonly<Record<string, string>>
}

/** An OCI image layout directory on disk, digests already verified by the caller. */
export interface ImageLayout {
  readonly layoutDirectory: string
  /** Digest of the image manifest (not of an index) for this host's architecture. */
  readonly manifestDigest: string
}

export interface RuntimeProbe {
  readonly name: string
  readonly version: string
  readonly architecture: 'amd64' | 'arm64'
  /** True when memory, cpu and pids limits are really enforced. A host where this is false takes no strangers' work. */
  readonly enforcesLimits: boolean
  /** One sentence for each thing that is missing, with what mends it. Empty when all is well. */
  readonly problems: readonly string[]
  /** The tiers that this runtime can keep instances in on this machine, warmest first. */
  readonly tiers: readonly HeldTier[]
}

export interface InstanceStats {
  /** CPU time used since start, microseconds. */
  readonly cpuMicros: number
  readonly memoryBytes: number
  readonly pids: number
}

/** How an instance ended. `oom` when the kernel killed it for memory. */
export interface InstanceExit {
  readonly exitCode: number
  readonly oom: boolean
}

/** One container. `run`, `freeze` and `thaw` take effect one after the other, in the order in which they were called. */
export interface RuntimeInstance {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  /** As it is now. One whose first process has ended is `running` until it is stopped; `exited` tells the difference. */
  readonly tier: InstanceTier
  /**
   * Unix socket on the host that reaches the function's `$PORT`. It exists once the function accepts connections.
   * The function owns the directory, so the caller checks that it is a socket and not a link before it connects.
   */
  readonly socketPath: string
  /** Resolves when the socket accepts connections; rejects with `timeout`, or `failed` with the log's tail if it exits first. */
  ready(signal: AbortSignal): Promise<void>
  /** Resolves when the instance's first process has ended, however that came about; for one that never ran, when it is stopped. */
  readonly exited: Promise<InstanceExit>
  /**
   * From `created` or `initialised` to `running`: its process is started, and `ready` says when it answers. Does nothing when it is
   * started already. When this rejects, the instance is fit for `stop` alone.
   */
  run(signal: AbortSignal): Promise<void>
  /** Takes every process off the CPU, with its connections and memory as they are. Does nothing when it is frozen. */
  freeze(signal: AbortSignal): Promise<void>
  thaw(signal: AbortSignal): Promise<void>
  /** From any tier: SIGTERM, then SIGKILL after `graceMs`, then removal with everything it left. Stopping what is gone does nothing. */
  stop(options: {readonly graceMs: number}, signal: AbortSignal): Promise<void>
  /** Nothing but zeros for one that is `created`. */
  stats(signal: AbortSignal): Promise<InstanceStats>
  /** stdout and stderr as bytes, oldest first; with `follow` until the instance ends or the signal fires. */
  logs(options: {readonly follow: boolean}, signal: AbortSignal): Readable
}

/**
 * Runs containers on this machine. One suite (`test/support/runtime-contract.ts`) passes on every implementation.
 * All methods reject with a CreoError; `signal` aborts what is under way and leaves nothing half made.
 */
export interface ContainerRuntime {
  readonly name: string
  probe(signal: AbortSignal): Promise<RuntimeProbe>
  /** Makes an image startable. Idempotent by digest. */
  prepare(image: ImageLayout, signal: AbortSignal): Promise<void>
  /** Starts one instance from nothing up to `running` (its process is started; `ready` says when it answers): `create` and `run` in one. */
  start(spec: InstanceSpec, signal: AbortSignal): Promise<RuntimeInstance>
  /**
   * Makes one instance up to `tier`, which is one that `probe` names: everything but the function's process. When it is `initialised`,
   * its namespaces, limits and file system stand.
   */
  create(spec: InstanceSpec, tier: WaitingTier, signal: AbortSignal): Promise<RuntimeInstance>
  /**
   * Every instance that this runtime holds in its storage root, with its tier, those of an earlier process included, at whatever instant
   * that was killed: so a caller can adopt or stop them. What was half made then is `running` with `exited` resolved.
   */
  list(signal: AbortSignal): Promise<readonly RuntimeInstance[]>
  /** Forgets images that are not in `keep` and that no instance uses. */
  prune(keep: readonly string[], signal: AbortSignal): Promise<void>
  /** Ends helper processes. Instances keep running: a later process adopts them. */
  close(): Promise<void>
}

/** What creo hands to a runtime plugin, so that a plugin needs no dependency of its own on creo's code. */
export interface RuntimeTools {
  /** Absolute directory of this runtime alone: storage, sockets, settings. */
  readonly stateDirectory: string
  /** Absolute path of the static init for this architecture, see packaging/init. */
  readonly initPath: string
  readonly sandbox: SandboxTools
  readonly execa: typeof import('execa').execa
  readonly undici: Pick<typeof import('undici'), 'Client' | 'Pool' | 'Agent' | 'request'>
  readonly CreoError: typeof import('../core/errors.ts').CreoError
  /** The environment of this process: `CREO_*` and `CONTAINERS_CONF` overrides are read from here, never from process.env. */
  readonly env: Readonly<Record<string, string | undefined>>
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, facts?: Readonly<Record<string, unknown>>): void
}

export interface RuntimeProvider {
  readonly name: string
  create(tools: RuntimeTools): Promise<ContainerRuntime>
}

/** What an oclif plugin returns from its `runtimes` hook. */
export type RuntimesHook = (options: Record<string, never>) => Promise<readonly RuntimeProvider[]>
