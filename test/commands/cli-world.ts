import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {creo, type Ended} from '../support/processes.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

export interface Said {
  readonly code: number | null
  readonly json: Record<string, unknown>
}

/** A person's machine: settings and keys of its own, and the real program. */
export class CliWorld {
  readonly folder: string
  #coordinator: ChildProcess | undefined
  coordinatorUrl = ''
  networkId = ''

  private constructor(folder: string) {
    this.folder = folder
  }

  static async make(): Promise<CliWorld> {
    return new CliWorld(await mkdtemp(join(tmpdir(), 'creo-cli-')))
  }

  get env(): NodeJS.ProcessEnv {
    const {CREO_ACCOUNT: _, CREO_NETWORK: __, ...env} = process.env
    return {...env, CREO_CONFIG_DIR: join(this.folder, 'config'), CREO_DATA_DIR: join(this.folder, 'data')}
  }

  run(...args: readonly string[]): Promise<Ended> {
    return creo(args, {env: this.env, cwd: this.folder})
  }

  /** Runs with `--json`; the answer is one object on stdout, an error too. */
  async json(...args: readonly string[]): Promise<Said> {
    const {code, stdout, stderr} = await this.run(...args, '--json')
    try {
      return {code, json: JSON.parse(stdout) as Record<string, unknown>}
    } catch {
      throw new Error(`creo ${args.join(' ')} printed no JSON: ${stdout}${stderr}`)
    }
  }

  /** Runs what must work. */
  async must(...args: readonly string[]): Promise<Record<string, unknown>> {
    const {code, json} = await this.json(...args)
    if (code !== 0) throw new Error(`creo ${args.join(' ')} ended with ${code}: ${JSON.stringify(json)}`)
    return json
  }

  /** A real coordinator of a new development network, as a process of its own. */
  async startCoordinator(...choices: readonly string[]): Promise<void> {
    const data = join(this.folder, 'coordinator')
    this.networkId = String((await this.must('coordinator', 'init', '--data', data, '--development', ...choices)).networkId)
    const args = [CREO, 'coordinator', 'serve', '--data', data, '--listen', '127.0.0.1:0', '--json']
    const child = spawn(process.execPath, args, {env: this.env, stdio: ['ignore', 'pipe', 'inherit']})
    this.#coordinator = child
    const [line] = (await once(createInterface({input: child.stdout}), 'line')) as [string]
    this.coordinatorUrl = (JSON.parse(line) as {urls: {api: string}}).urls.api
  }

  async stopCoordinator(): Promise<void> {
    const child = this.#coordinator
    this.#coordinator = undefined
    if (child === undefined || child.exitCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  }

  async close(): Promise<void> {
    await this.stopCoordinator()
    await rm(this.folder, {recursive: true, force: true})
  }
}
