import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {staticFunction} from './build.ts'

/** A server of the bench, asked over HTTP on loopback. */
export interface Server {
  readonly pid: number
  readonly port: number
  stop(): Promise<void>
}

/** Runs the static function on a unix socket, where a container's would be, and on loopback, to ask it without anything between. */
export async function serveFunction(socketPath: string, signal: AbortSignal): Promise<Server> {
  const child = spawn(await staticFunction(signal), [`unix:${socketPath}`, '0'], {stdio: ['ignore', 'pipe', 'inherit']})
  const exited = once(child, 'exit')
  const gone = exited.then(() => Promise.reject(new Error('the function ended before it listened')))
  const [printed] = (await Promise.race([once(child.stdout, 'data'), gone])) as [Buffer]
  return {
    pid: child.pid ?? 0,
    port: Number(printed.toString()),
    stop: async () => {
      child.kill('SIGTERM')
      await exited
    }
  }
}
