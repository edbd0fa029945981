import {join} from 'node:path'
import {compile} from './compile.mjs'
import {ensureDependencies} from './dependencies.mjs'
import {refuseOldNode, STATE} from './places.mjs'
import {say} from './say.mjs'
import {withSetUpLock} from './set-up-lock.mjs'
import {ensureContainerRuntime, ensurePrograms, ensureTestTools} from './system-packages.mjs'

/** The exit code of `runtime_missing`. */
const EXIT_RUNTIME_MISSING = 5

/**
 * Brings this checkout to the point where creo runs, doing only what is still missing, and answers the path of the Node to
 * run it with. `containers: 'needed'` ends it with exit code 5 where there is no container runtime, `'wanted'` only says so. `testTools: {long}` are installed where we may. `build: false` leaves compiling to the caller; `programs` must be there afterwards. Ends the process with one sentence when it can't.
 */
export async function setUp({build = true, containers = 'unused', testTools = false, programs = []} = {}) {
  refuseOldNode()
  try {
    return await withSetUpLock(join(STATE, 'set-up.lock'), async () => {
      const node = await ensureDependencies()
      if (containers !== 'unused') await containerRuntime(containers)
      if (testTools) await ensureTestTools(testTools)
      await ensurePrograms(programs)
      if (build && (await compile(node)) !== 0) throw new Error('creo could not be compiled; the compiler said why above.')
      return node
    })
  } catch (error) {
    say(error.message)
    process.exit(error.exitCode ?? 1)
  }
}

async function containerRuntime(containers) {
  const missing = await ensureContainerRuntime()
  if (missing === undefined) return
  if (containers === 'needed') throw Object.assign(new Error(missing), {exitCode: EXIT_RUNTIME_MISSING})
  say(missing)
}
