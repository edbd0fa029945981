import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {watch} from 'node:fs'
import {chown, lstat, mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {z} from 'zod'

const INGRESS = '/run/creo/in'
const SOCKET = 'http.sock'

const bundleSchema = z.looseObject({
  mounts: z.array(z.looseObject({destination: z.string(), source: z.string()})),
  linux: z.looseObject({cgroupsPath: z.string()})
})
type Bundle = z.output<typeof bundleSchema>

/** A container that `runc run` holds. */
export interface RuncContainer {
  readonly socketPath: string
  /** Resolves when its socket is there. */
  ready(signal: AbortSignal): Promise<void>
  stop(): Promise<void>
}

/**
 * The peer: `runc run` of the very bundle that podman made for one running instance of ours. Its root file system stays mounted as long
 * as that instance runs; what differs from it is the socket directory and the name of the cgroup.
 */
export class RuncPeer {
  readonly #directory: string
  readonly #template: Bundle
  #count = 0

  private constructor(directory: string, template: Bundle) {
    this.#directory = directory
    this.#template = template
  }

  /** @param storage podman's storage root, in which the instance is the only container. */
  static async of(storage: string, directory: string): Promise<RuncPeer> {
    const driver = (await readdir(storage)).find((name) => /^(overlay|vfs)-containers$/.test(name)) ?? ''
    const containers = (await readdir(join(storage, driver), {withFileTypes: true})).filter((entry) => entry.isDirectory())
    const [only] = containers
    if (only === undefined || containers.length > 1) throw new Error(`${containers.length} containers in ${storage} instead of one`)
    const text = await readFile(join(storage, driver, only.name, 'userdata', 'config.json'), 'utf8')
    await mkdir(directory, {recursive: true})
    return new RuncPeer(directory, bundleSchema.parse(JSON.parse(text)))
  }

  /** Lays out the bundle of one container; what it answers starts it from nothing. */
  async bundle(): Promise<() => RuncContainer> {
    this.#count += 1
    const id = `bench-${process.pid}-${this.#count}`
    const bundle = join(this.#directory, id)
    const ingress = join(bundle, 'in')
    await mkdir(ingress, {recursive: true})
    const theirs = this.#template.mounts.find(({destination}) => destination === INGRESS)
    if (theirs === undefined) throw new Error(`the bundle mounts nothing at ${INGRESS}`)
    const {uid, gid} = await lstat(theirs.source)
    await chown(ingress, uid, gid)
    await writeFile(join(bundle, 'config.json'), JSON.stringify(renamed(this.#template, id, ingress)))
    return () => this.#run(id, bundle, join(ingress, SOCKET))
  }

  #run(id: string, bundle: string, socketPath: string): RuncContainer {
    const isSystemd = this.#template.linux.cgroupsPath.includes(':')
    const global = ['--root', join(this.#directory, 'state'), ...(isSystemd ? ['--systemd-cgroup'] : [])]
    const there = Promise.withResolvers<void>()
    const watcher = watch(join(bundle, 'in'), (_event, name) => name === SOCKET && there.resolve())
    const child = spawn('runc', [...global, 'run', '--bundle', bundle, id], {stdio: ['ignore', 'ignore', 'inherit']})
    const exited = once(child, 'exit')
    void exited.then(() => there.reject(new Error('the container of runc ended before it listened')))
    there.promise.catch(() => undefined)
    return {
      socketPath,
      ready: (signal) => {
        signal.addEventListener('abort', () => there.reject(signal.reason), {once: true})
        return there.promise
      },
      stop: async () => {
        watcher.close()
        await execa('runc', [...global, 'delete', '--force', id])
        await exited
        await rm(bundle, {recursive: true, force: true})
      }
    }
  }
}

function renamed(template: Bundle, id: string, ingress: string): Bundle {
  const {cgroupsPath} = template.linux
  return {
    ...template,
    mounts: template.mounts.map((mount) => (mount.destination === INGRESS ? {...mount, source: ingress} : mount)),
    linux: {...template.linux, cgroupsPath: cgroupsPath.replace(/libpod-[0-9a-f]+/, id)}
  }
}
