import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import {describe} from 'vitest'
import {runtimeTools} from '../../src/compose/runtimes.ts'
import type {ContainerRuntime, RuntimeTools} from '../../src/runtime/port.ts'
import {buildEchoImage} from '../support/echo-image.ts'
import {runtimeContract} from '../support/runtime-contract.ts'
import {writeShownPlugin} from '../support/shown-plugins.ts'

interface Shown {
  createRuntime(tools: RuntimeTools): Promise<ContainerRuntime>
}

const BUILD_MS = 60_000
const ENDS = 'its functions end with the miner'
const UNLIMITED = 'it limits nothing, and says so'
const HOLDS_NONE = 'it keeps no function waiting, and says so'
const SKIPPED = {
  'hands its instances to a later process': ENDS,
  'hands a frozen function to a later process, which thaws it': ENDS,
  'hands an instance that is initialised to a later process, which runs it': ENDS,
  'hands an instance that is created to a later process, which runs it': ENDS,
  'enforces limits and says so': UNLIMITED,
  'ends a function that takes more memory than it may, and says that this was why': UNLIMITED,
  'lets a function start no more processes than it may': UNLIMITED,
  'takes every privilege from a function': 'it applies no seccomp profile',
  'holds requests while frozen and answers them when thawed': HOLDS_NONE,
  'freezes and thaws again and again, and twice is once': HOLDS_NONE,
  'changes tiers in the order in which it was asked to': HOLDS_NONE,
  'freezes a function that has only just begun, and thaws it whole': HOLDS_NONE,
  'kills a frozen function at once': HOLDS_NONE,
  'stops a frozen function': HOLDS_NONE,
  'names what holding an instance frozen costs': HOLDS_NONE,
  'names what holding an instance initialised costs': HOLDS_NONE,
  'names what holding an instance created costs': HOLDS_NONE,
  'holds an instance initialised without a process of the function, and runs it': HOLDS_NONE
}

describe.runIf(process.env.CREO_TEST_TIER === 'long')('the runtime that docs/PLUGINS.md shows', () => {
  runtimeContract('mine', open, SKIPPED)
})

async function open() {
  const directory = await mkdtemp(join(tmpdir(), 'creo-shown-'))
  const plugin = await writeShownPlugin('creo-runtime-mine', directory)
  const {createRuntime} = (await import(pathToFileURL(join(plugin, 'runtime.js')).href)) as Shown
  const tools = await runtimeTools({stateDirectory: join(directory, 'state'), env: process.env, log: () => undefined})
  return {
    runtime: await createRuntime(tools),
    echoImage: await buildEchoImage(join(directory, 'layout'), AbortSignal.timeout(BUILD_MS)),
    reopen: () => createRuntime(tools),
    close: () => rm(directory, {recursive: true})
  }
}
