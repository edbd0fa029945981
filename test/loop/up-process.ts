import {type ChildProcess, spawn} from 'node:child_process'
import {mkdtemp, readdir, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {onTestFinished} from 'vitest'
import {type Ended, ended} from '../support/processes.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))
const ANY_PORTS = ['--coordinator-port', '0', '--gateway-port', '0', '--tunnel-port', '0']

export interface UpProcess {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves when this was said on stderr; rejects when the process ends without. */
  said(text: string): Promise<void>
}

/** A folder that `creo up` makes all of its folders in, removed when the test is over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'creo-up-'))
  onTestFinished(() => rm(folder, {recursive: true, force: true}))
  return folder
}

/** Folders of networks in it; Node keeps a cache of its own there. */
export async function networkFolders(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('creo-'))
}

/** `creo up` as a process of its own, on ports that the system chooses, ended with the test. */
export function startUp(folder: string, args: readonly string[]): UpProcess {
  const up = spawnUp(folder, args)
  onTestFinished(async () => {
    up.child.kill('SIGTERM')
    await up.ended
  })
  return up
}

/** The same, which whoever calls ends. `creo` is how its command line begins. */
export function spawnUp(
  folder: string,
  args: readonly string[],
  {creo = [process.execPath, CREO], env = process.env}: {readonly creo?: readonly string[]; readonly env?: NodeJS.ProcessEnv} = {}
): UpProcess {
  const [program = '', ...script] = creo
  const child = spawn(program, [...script, 'up', ...ANY_PORTS, ...args], {
    env: {...env, TMPDIR: folder, CREO_CONFIG_DIR: join(folder, 'config')},
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const end = ended(child)
  let talk = ''
  child.stderr.on('data', (chunk) => {
    talk += chunk
  })
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!talk.includes(text)) return
        child.stderr.off('data', look)
        resolve()
      }
      child.stderr.on('data', look)
      look()
      void end.then(({code}) => reject(new Error(`creo up ended with ${code} and never said "${text}":\n${talk}`)))
    })
  return {child, ended: end, said}
}
