import {readFile} from 'node:fs/promises'
import {setTimeout as delay} from 'node:timers/promises'
import {createFlags} from './create-flags.ts'
import type {ContainerAction, InspectedContainer, ListedContainer, MeasuredContainer, PodmanApi} from './podman-api.ts'
import type {PodmanCommands} from './podman-commands.ts'

const ABSENT_EXIT_CODE = 1
const IMAGE_IN_USE_EXIT_CODE = 2
/** How often it is looked whether a container's first process is still there: two reads of one small file. */
const WAIT_MS = 100
/** Of those after the name in /proc/PID/stat. */
const START_TIME_FIELD = 19
/** podman's own words for people are `4.1MB / 268MB`; these are the numbers behind them. */
const STATS_FORMAT = '{{.CPUNano}} {{.ContainerStats.MemUsage}} {{.ContainerStats.PIDs}}'

/** podman by its command line, one process for each operation: for where its service does not run. */
export class PodmanCli implements PodmanApi {
  readonly #commands: PodmanCommands
  readonly #ociRuntime: string

  /** `ociRuntime` runs the containers made here: one that denies devices also without being told to. */
  constructor(commands: PodmanCommands, ociRuntime: string) {
    this.#commands = commands
    this.#ociRuntime = ociRuntime
  }

  async version(signal: AbortSignal): Promise<string> {
    // `podman version` would also answer where no container can be made.
    return (await this.#commands.run(['info', '--format', '{{.Version.Version}}'], signal)).trim()
  }

  async list(signal: AbortSignal): Promise<readonly ListedContainer[]> {
    return JSON.parse(await this.#commands.run(['ps', '--all', '--format', 'json'], signal)) as ListedContainer[]
  }

  async create(spec: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<void> {
    const flags = createFlags(spec, (message) => this.#commands.failure(message))
    await this.#commands.run(['--runtime', this.#ociRuntime, 'create', ...flags], signal)
  }

  async act(action: ContainerAction, name: string, signal: AbortSignal): Promise<void> {
    await this.#commands.run([action, name], signal)
  }

  async inspect(name: string, signal: AbortSignal): Promise<InspectedContainer | undefined> {
    const command = ['container', 'inspect', name]
    const {exitCode, stdout} = await this.#commands.attempt(command, signal)
    if (exitCode === 0) return (JSON.parse(stdout) as InspectedContainer[])[0]
    if ((await this.#commands.attempt(['container', 'exists', name], signal)).exitCode === ABSENT_EXIT_CODE) return undefined
    return (JSON.parse(await this.#commands.run(command, signal)) as InspectedContainer[])[0]
  }

  async terminate(name: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#commands.attempt(['kill', '--signal', 'SIGTERM', name], signal)).exitCode === 0
  }

  /** Not by `podman wait`, which would be one more large process for each container. */
  async wait(name: string, signal: AbortSignal): Promise<void> {
    const pid = (await this.inspect(name, signal))?.State.Pid ?? 0
    const began = await startTime(pid)
    while (began !== undefined && !this.#commands.closed && (await startTime(pid)) === began)
      await delay(WAIT_MS, undefined, {signal, ref: false})
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    await this.#commands.run(['rm', '--force', '--volumes', '--ignore', '--time', '0', name], signal)
  }

  async stats(name: string, signal: AbortSignal): Promise<MeasuredContainer> {
    const printed = await this.#commands.run(['stats', '--no-stream', '--format', STATS_FORMAT, name], signal)
    const [cpuNanos = Number.NaN, memoryBytes = Number.NaN, pids = Number.NaN] = printed.trim().split(' ').map(Number)
    if (![cpuNanos, memoryBytes, pids].every(Number.isSafeInteger))
      throw this.#commands.failure(`Measuring ${name}: podman says "${printed.trim()}"`)
    return {cpuNanos, memoryBytes, pids}
  }

  async hasImage(imageId: string, signal: AbortSignal): Promise<boolean> {
    const {exitCode, words} = await this.#commands.attempt(['image', 'exists', imageId], signal)
    if (exitCode !== 0 && exitCode !== ABSENT_EXIT_CODE) throw this.#commands.failure(`Looking for an image: ${words}`)
    return exitCode === 0
  }

  async removeImage(imageId: string, signal: AbortSignal): Promise<boolean> {
    if (!(await this.hasImage(imageId, signal))) return true
    await this.#commands.run(['untag', imageId], signal)
    const {exitCode, words} = await this.#commands.attempt(['rmi', imageId], signal)
    if (exitCode !== 0 && exitCode !== ABSENT_EXIT_CODE && exitCode !== IMAGE_IN_USE_EXIT_CODE)
      throw this.#commands.failure(`Removing image ${imageId}: ${words}`)
    return exitCode !== IMAGE_IN_USE_EXIT_CODE
  }
}

/** When a process began, in the kernel's ticks: with it, a process id names one process for ever. Undefined when it is gone. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_TIME_FIELD]
}
