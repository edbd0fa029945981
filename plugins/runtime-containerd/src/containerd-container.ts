import type {ContainerDriver, ControlGroup, InstanceExit, InstanceStats, RuntimeTools} from 'creo/runtime'
import type {ContainerdService} from './containerd-service.ts'
import {readUsage, removeGroup} from './control-group-files.ts'
import type {Host} from './host.ts'
import type {InstanceFiles} from './instance-files.ts'

export interface ContainerParts {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly tools: RuntimeTools
  readonly host: Host
  readonly service: ContainerdService
  readonly files: InstanceFiles
  readonly controlGroup: string
  /** From `created` to `running`. */
  readonly launch: (signal: AbortSignal) => Promise<void>
  /** Called once it is stopped and removed. */
  readonly onRemoved: () => void
}

const EXIT_KILLED = 137

/** One container: its name in containerd is its id, so nothing else must be remembered. */
export class ContainerdContainer implements ContainerDriver {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly socketPath: string
  readonly log: ContainerDriver['log']
  readonly exited: Promise<InstanceExit>
  readonly #parts: ContainerParts
  readonly #ended = Promise.withResolvers<InstanceExit>()
  #settled = false
  /** Made by this process, to its end: containerd knows all that there is of it. */
  #isWhole = false

  constructor(parts: ContainerParts) {
    const {id, files} = parts
    this.id = id
    this.labels = parts.labels
    this.socketPath = files.socketPath(id)
    this.log = {path: files.logPath(id), olderPath: `${files.logPath(id)}.1`}
    this.exited = this.#ended.promise
    this.#parts = parts
  }

  async start(signal: AbortSignal): Promise<void> {
    const isWhole = this.#isWhole
    this.#isWhole = false
    await this.#parts.launch(signal)
    this.#isWhole = isWhole
  }

  markWhole(): void {
    this.#isWhole = true
  }

  /** Told by containerd's events, or by whoever looked. The first word counts. */
  async settle(exitCode: number): Promise<void> {
    if (this.#settled) return
    this.#settled = true
    const {files} = this.#parts
    const exit = (await files.exit(this.id)) ?? {exitCode, oom: exitCode === EXIT_KILLED && (await files.ranOutOfMemory(this.id))}
    // Removal may have come first; then nobody will ask any more.
    await files.writeExit(this.id, exit).catch(() => undefined)
    this.#ended.resolve(exit)
  }

  /** Not by ctr: its way takes a process and half a hundred milliseconds. */
  async controlGroup(): Promise<ControlGroup> {
    const {host, controlGroup} = this.#parts
    return {version: host.controlGroups.version, path: `${controlGroup}/${this.id}`}
  }

  /** ctr asks the kernel for the same, and root could have written the files. */
  pause(): Promise<void> {
    return Promise.reject(this.#parts.service.failure(`${this.id} has no control group that could be frozen.`))
  }

  unpause(): Promise<void> {
    return Promise.resolve()
  }

  async terminate(signal: AbortSignal): Promise<boolean> {
    const answer = await this.#parts.service.call(['tasks', 'kill', '--signal', 'SIGTERM', this.id], signal)
    return answer.exitCode === 0
  }

  async remove(signal: AbortSignal): Promise<void> {
    const {service, files, onRemoved} = this.#parts
    await this.settle((await service.removeTask(this.id, {force: true}, signal)) ?? EXIT_KILLED)
    const container = await service.runIfThere(['containers', 'rm', this.id], signal)
    if (container && container.exitCode !== 0) throw service.failure(`Removing ${this.id}: ${container.stderr.trim()}`)
    if (!this.#isWhole) await this.#sweep(signal)
    await files.release(this.id, signal)
    onRemoved()
  }

  /** Ends what a containerd that was killed in the middle of a start had begun and not written down. */
  async #sweep(signal: AbortSignal): Promise<void> {
    const {host, service, tools, files, controlGroup} = this.#parts
    const log = files.logPath(this.id)
    const isLeft = (argv: readonly string[]) => argv.includes(log) || service.isMonitorOf(this.id, argv)
    await tools.sandbox.killProcesses(isLeft, {programs: await service.monitorPrograms(), graceMs: 0, signal})
    await service.deleteByRunc(this.id, signal)
    await removeGroup(host.controlGroups.version, `${controlGroup}/${this.id}`)
  }

  async stats(): Promise<InstanceStats> {
    const {host, service, controlGroup} = this.#parts
    return readUsage(host.controlGroups.version, `${controlGroup}/${this.id}`).catch((cause: unknown) => {
      throw service.failure(`Measuring ${this.id}: it does not run.`, cause)
    })
  }
}
