import {type ChildProcess, spawn} from 'node:child_process'
import {randomUUID} from 'node:crypto'
import {once} from 'node:events'
import {basename} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {killProcesses} from '../../src/runtime/left-processes.ts'

const isRoot = process.getuid?.() === 0
const PATIENCE_MS = 10_000
const WAIT = 'process.stdout.write("here"); process.stdin.resume()'
const programs = [basename(process.execPath)]

/** Waits until it is killed or this test is at its end, and carries `marker` on its command line. */
async function waiting(marker: string, within: readonly string[] = []): Promise<ChildProcess> {
  const [program = '', ...args] = [...within, process.execPath, '-e', WAIT, marker]
  const child = spawn(program, args, {stdio: ['pipe', 'pipe', 'inherit']})
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    child.stdin.end()
    await exited
  })
  expect(await Promise.race([once(child.stdout, 'data').then(String), exited])).toBe('here')
  return child
}

const kill = (marker: string, names = programs) =>
  killProcesses((argv) => argv.includes(marker), {programs: names, graceMs: 0, signal: AbortSignal.timeout(PATIENCE_MS)})

test('a process of ours that carries the path is killed', async () => {
  const marker = `/run/creo-${randomUUID()}/config`
  const child = await waiting(marker)
  const exited = once(child, 'exit')
  expect(await kill(marker)).toEqual([[process.execPath, '-e', WAIT, marker]])
  expect(await exited).toEqual([null, 'SIGKILL'])
})

test('another program that carries the path lives on', async () => {
  const marker = `/run/creo-${randomUUID()}/config`
  const child = await waiting(marker)
  expect(await kill(marker, ['containerd'])).toEqual([])
  expect(child.exitCode ?? child.signalCode).toBeNull()
})

/** What a function could do: it knows the paths, may run any program, and would be asked about again and again. */
test.runIf(isRoot).each([
  ['process', ['unshare', '--pid', '--fork']],
  ['user', ['unshare', '--user']],
  ['process and user', ['unshare', '--user', '--pid', '--fork']]
])('a process in another %s namespace that carries the path lives on, and nothing waits for it', async (_name, within) => {
  const marker = `/run/creo-${randomUUID()}/config`
  const child = await waiting(marker, within)
  expect(await kill(marker)).toEqual([])
  expect(child.exitCode ?? child.signalCode).toBeNull()
})

test.runIf(isRoot)('a process of another user of this machine that carries the path lives on', async () => {
  const marker = `/run/creo-${randomUUID()}/config`
  const child = await waiting(marker, ['setpriv', '--reuid', '65534', '--clear-groups'])
  expect(await kill(marker)).toEqual([])
  expect(child.exitCode ?? child.signalCode).toBeNull()
})
