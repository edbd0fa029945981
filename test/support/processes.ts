import {type ChildProcess, type SpawnOptions, spawn} from 'node:child_process'
import {once} from 'node:events'
import {fileURLToPath} from 'node:url'
import {checkJson} from './json-shapes/json-shapes.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The real program, as a process of its own. What it prints under `--json` is held to the command's shape. */
export async function creo(args: readonly string[], {input, ...options}: SpawnOptions & {readonly input?: string} = {}): Promise<Ended> {
  const child = spawn(process.execPath, [CREO, ...args], {...options, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe']})
  child.stdin?.end(input)
  const said = await ended(child)
  if (args.includes('--json')) checkJson(args, said.stdout)
  return said
}

/** A module given as text, as a process of its own. */
export function script(source: string, options: SpawnOptions = {}): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '-e', source], options)
}

export async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return {code, stdout, stderr}
}
