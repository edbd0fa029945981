import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const children: ChildProcess[] = []

export interface FunctionServer {
  readonly url: string
  readonly child: ChildProcess
}

/** Starts a function's server as its container would, with `$PORT`, and waits for it to say where it listens. */
export async function runFunction(folder: string, env: Readonly<Record<string, string>> = {}): Promise<FunctionServer> {
  const child = spawn(process.execPath, ['server.mjs'], {
    cwd: join(root, folder),
    env: {PORT: '0', ...env},
    stdio: ['ignore', 'pipe', 'inherit']
  })
  children.push(child)
  const lines = createInterface({input: child.stdout})
  const [line] = (await once(lines, 'line')) as [string]
  return {url: `http://127.0.0.1:${line.split(' ').at(-1)}`, child}
}

export async function stopFunction(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  return (await exited)[0] as number | null
}

/** Those that were started since the last time. */
export async function stopFunctions(): Promise<void> {
  for (const child of children.splice(0)) await stopFunction(child)
}
