import {spawn} from 'node:child_process'
import {createHash} from 'node:crypto'
import {once} from 'node:events'
import {mkdtemp, readdir, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {describe, expect, onTestFinished, test} from 'vitest'
import {createContainerdRuntime} from '../../plugins/runtime-containerd/src/containerd-runtime.ts'
import {createPodmanRuntime} from '../../plugins/runtime-podman/src/podman-runtime.ts'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import type {ContainerRuntime, RuntimeInstance, RuntimeTools} from '../../src/runtime/port.ts'
import {containerdIsThere} from '../support/containerd.ts'
import {buildEchoImage} from '../support/echo-image.ts'

const CHURN = fileURLToPath(new URL('../support/tier-churn.ts', import.meta.url))
const ROUNDS = process.env.CREO_TEST_TIER === 'long' ? 40 : 2
/** Long enough for several changes of tier; the instant itself is drawn. */
const KILL_WITHIN_MS = 700
/** A round takes two seconds on an idle machine. */
const TIMEOUT_MS = ROUNDS * 30_000 + 60_000
const READY_MS = 15_000
const PATIENCE_MS = 60_000
const patience = () => AbortSignal.timeout(PATIENCE_MS)

killedAtAnyInstant('podman', createPodmanRuntime)
describe.skipIf(!(await containerdIsThere()))('where containerd is installed and creo is root,', () => {
  killedAtAnyInstant('containerd', createContainerdRuntime)
})

function killedAtAnyInstant(name: string, create: (tools: RuntimeTools) => Promise<ContainerRuntime>): void {
  test(
    `what ${name} held when this process was killed is adopted or removed, and nothing of it leaks`,
    async () => {
      const directory = await mkdtemp(join(tmpdir(), 'creo-killed-'))
      const stateDirectory = join(directory, 'state')
      onTestFinished(() => rm(directory, {recursive: true, force: true}))
      const open = async () => create(await runtimeTools({stateDirectory, env: process.env, log: () => undefined}))
      const image = await buildEchoImage(join(directory, 'layout'), patience())
      let runtime = await open()
      await runtime.prepare(image, patience())
      const seen = new Set<string>()
      for (let round = 0; round < ROUNDS; round++) {
        await runtime.close()
        await churnAndKill([name, stateDirectory, image.manifestDigest, String(round)])
        runtime = await open()
        for (const instance of await runtime.list(patience())) seen.add(await takeOver(instance))
        expect(await runtime.list(patience())).toEqual([])
        await expect.poll(() => leaked(directory), {timeout: PATIENCE_MS}).toEqual([])
      }
      process.stdout.write(`${name}: taken over as ${[...seen].sort().join(', ')}\n`)
      await runtime.prune([], patience())
      await runtime.close()
      expect((await readFile('/proc/self/mounts', 'utf8')).split('\n').filter((mount) => mount.includes(directory))).toEqual([])
    },
    TIMEOUT_MS
  )
}

async function churnAndKill(argv: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [CHURN, ...argv], {stdio: ['ignore', 'pipe', 'inherit']})
  const exited = once(child, 'exit')
  expect(await Promise.race([once(child.stdout, 'data').then(() => 'churning'), exited])).toBe('churning')
  await delay(Math.random() * KILL_WITHIN_MS)
  child.kill('SIGKILL')
  expect(await exited).toEqual([null, 'SIGKILL'])
}

/** Runs what waits and thaws what is frozen. What answers then was whole; all of it is stopped. */
async function takeOver(instance: RuntimeInstance): Promise<string> {
  const {tier} = instance
  const answers = await instance
    .run(patience())
    .then(() => instance.thaw(patience()))
    .then(() => instance.ready(AbortSignal.timeout(READY_MS)))
    .then(
      () => 'whole',
      () => 'half made'
    )
  await instance.stop({graceMs: 0}, patience())
  return `${tier} and ${answers}`
}

/** Command lines of processes whose root is in that directory, as in containers of that state, or which watch over one. */
async function leaked(directory: string): Promise<string[]> {
  const run = `/creo-${createHash('sha256').update(join(directory, 'state')).digest('hex').slice(0, 8)}/`
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const [mounts, command] = await Promise.all([
      readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => ''),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    ])
    const watches = /^\S*(conmon|containerd-shim|creo-log)/.test(command) && (command.includes(directory) || command.includes(run))
    const root = mounts.split('\n').find((line) => line.split(' ')[4] === '/')
    if (root?.includes(directory) || watches) found.push(`${pid} ${command.replaceAll('\0', ' ')}`)
  }
  return found
}
