/** What podman says of a container in its list. */
export interface ListedContainer {
  readonly Id: string
  readonly Pid: number
  readonly State: string
  readonly Labels?: Readonly<Record<string, string>> | null
}

/** What podman says of a container when it is asked about that one alone. */
export interface InspectedContainer {
  readonly Id: string
  readonly State: {readonly Status: string; readonly ExitCode: number; readonly Pid: number}
}

export interface MeasuredContainer {
  readonly cpuNanos: number
  readonly memoryBytes: number
  readonly pids: number
}

export type ContainerAction = 'init' | 'start' | 'pause' | 'unpause'

/**
 * All that the runtime asks of podman, by its REST API or by its command line. Containers are called by name, images by id.
 * @throws {CreoError} from each, with podman's own words. `runtime_missing` alone means that nothing was asked yet.
 */
export interface PodmanApi {
  version(signal: AbortSignal): Promise<string>
  list(signal: AbortSignal): Promise<readonly ListedContainer[]>
  /** `spec` in the words of the API, as `containerSpec` writes it. */
  create(spec: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<void>
  act(action: ContainerAction, name: string, signal: AbortSignal): Promise<void>
  /** Undefined when there is none. */
  inspect(name: string, signal: AbortSignal): Promise<InspectedContainer | undefined>
  /** Sends SIGTERM to its first process; false when there is none. */
  terminate(name: string, signal: AbortSignal): Promise<boolean>
  /** Resolves when it may have ended: look then. */
  wait(name: string, signal: AbortSignal): Promise<void>
  /** With all that runs in it and its anonymous volumes. It need not be there. */
  remove(name: string, signal: AbortSignal): Promise<void>
  stats(name: string, signal: AbortSignal): Promise<MeasuredContainer>
  hasImage(imageId: string, signal: AbortSignal): Promise<boolean>
  /** Takes all names from an image, and then the image, if no container needs it; false when one does. */
  removeImage(imageId: string, signal: AbortSignal): Promise<boolean>
}
