import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {onTestFinished} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {readLayoutRoot} from '../../src/images/layout.ts'
import {pushImage} from '../../src/images/registry-client.ts'
import {buildEchoImage} from '../support/echo-image.ts'
import type {FakeCoordinator} from '../support/fake-coordinator.ts'

/** creo of this checkout, as a command line begins. */
export const CREO: readonly string[] = [process.execPath, fileURLToPath(new URL('../../bin/run.js', import.meta.url))]
const {signal} = new AbortController()

export interface Mining {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  readonly ready: {readonly pid: number; readonly node: string}
  /** Everything on stdout after the ready line. */
  readonly rest: () => string
}

/** `creo mine start` as a process of its own, ended with the test; resolves when it is ready. */
export async function mine(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  [program = '', ...script]: readonly string[] = CREO
): Promise<Mining> {
  const child = spawn(program, [...script, 'mine', 'start', ...args, '--json'], {env, stdio: ['ignore', 'pipe', 'pipe']})
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let talk = ''
  child.stderr?.on('data', (chunk) => {
    talk += chunk
  })
  const first = Promise.withResolvers<string>()
  let rest = ''
  createInterface({input: child.stdout as NodeJS.ReadableStream}).on('line', (line) => {
    if (line.startsWith('{"ready"')) first.resolve(line)
    else rest += `${line}\n`
  })
  void exited.then((code) => first.reject(new Error(`it ended with ${code}: ${rest}${talk}`)))
  return {child, exited, ready: JSON.parse(await first.promise), rest: () => rest}
}

/** Gives the coordinator the image that echoes what it is asked, and answers the digest. */
export async function pushEcho(directory: string, coordinator: FakeCoordinator): Promise<string> {
  const key = generateKeyPair()
  coordinator.admit(key.publicKey)
  const layoutDirectory = join(directory, 'layout')
  await buildEchoImage(layoutDirectory, signal)
  const {url, network: networkId} = coordinator
  const client = createClient({
    coordinatorUrl: url,
    networkId,
    coordinatorKey: coordinator.key.publicKey,
    now: Date.now,
    key,
    account: 'new'
  })
  await pushImage({registryUrl: url, repository: 'colibris/shop/site', authorize: client.authorizeRegistry, layoutDirectory, signal})
  await client.close()
  return (await readLayoutRoot(layoutDirectory)).digest
}
