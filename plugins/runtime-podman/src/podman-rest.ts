import type {ContainerAction, InspectedContainer, ListedContainer, MeasuredContainer, PodmanApi} from './podman-api.ts'
import type {PodmanService} from './podman-service.ts'

/** How often podman's service looks whether a container has ended. */
const WAIT_INTERVAL = '100ms'

/** podman by the REST API of its service: each operation is one request. */
export class PodmanRest implements PodmanApi {
  readonly #service: PodmanService

  constructor(service: PodmanService) {
    this.#service = service
  }

  async version(signal: AbortSignal): Promise<string> {
    const answer = await this.#service.expect({method: 'GET', path: '/version', signal}, 'Asking podman for its version')
    return (answer.body as {Version: string}).Version
  }

  async list(signal: AbortSignal): Promise<readonly ListedContainer[]> {
    const answer = await this.#service.expect({method: 'GET', path: '/containers/json?all=true', signal}, 'Listing containers')
    return answer.body as ListedContainer[]
  }

  async create(body: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<void> {
    await this.#service.expect({method: 'POST', path: '/containers/create', body, signal}, `Creating ${String(body.name)}`)
  }

  async act(action: ContainerAction, name: string, signal: AbortSignal): Promise<void> {
    await this.#service.expect({method: 'POST', path: `/containers/${name}/${action}`, signal}, `podman's ${action} of ${name}`)
  }

  async inspect(name: string, signal: AbortSignal): Promise<InspectedContainer | undefined> {
    const answer = await this.#service.expect({method: 'GET', path: `/containers/${name}/json`, signal}, `Looking at ${name}`, [404])
    return answer.status === 404 ? undefined : (answer.body as InspectedContainer)
  }

  async terminate(name: string, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#service.call({method: 'POST', path: `/containers/${name}/kill?signal=SIGTERM`, signal})
    return answer.status < 300
  }

  /** podman sometimes knows that a container ended and not how; then this answer is an error, and looking at it helps. */
  wait(name: string, signal: AbortSignal): Promise<void> {
    const query = `condition=stopped&condition=exited&interval=${WAIT_INTERVAL}`
    return this.#service.wait({method: 'POST', path: `/containers/${name}/wait?${query}`, signal})
  }

  async remove(name: string, signal: AbortSignal): Promise<void> {
    const path = `/containers/${name}?force=true&v=true&timeout=0`
    await this.#service.expect({method: 'DELETE', path, signal}, `Removing ${name}`, [404])
  }

  async stats(name: string, signal: AbortSignal): Promise<MeasuredContainer> {
    const path = `/containers/stats?containers=${name}&stream=false`
    const answer = await this.#service.expect({method: 'GET', path, signal}, `Measuring ${name}`)
    const {Stats: list, Error: refused} = answer.body as {
      Stats?: {CPUNano: number; MemUsage: number; PIDs: number}[]
      Error?: {message?: string} | null
    }
    const first = list?.[0]
    if (!first) throw this.#service.failure(`Measuring ${name}: ${refused?.message ?? 'it does not run'}`)
    return {cpuNanos: first.CPUNano, memoryBytes: first.MemUsage, pids: first.PIDs}
  }

  async hasImage(imageId: string, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#service.expect({method: 'GET', path: `/images/${imageId}/exists`, signal}, 'Looking for an image', [404])
    return answer.status !== 404
  }

  /** Each import gave it one more name, and podman removes nothing of several names unless forced, which would take its containers too. */
  async removeImage(imageId: string, signal: AbortSignal): Promise<boolean> {
    await this.#service.expect({method: 'POST', path: `/images/${imageId}/untag`, signal}, `Unnaming ${imageId}`, [404])
    const path = `/images/${imageId}?force=false`
    const answer = await this.#service.expect({method: 'DELETE', path, signal}, `Removing image ${imageId}`, [404, 409])
    return answer.status !== 409
  }
}
