import {join} from 'node:path'
import {compile} from './compile.mjs'
import {ensureDependencies} from './dependencies.mjs'
import {refuseOldNode, STATE} from './places.mjs'
import {say} from './say.mjs'
import {withSetUpLock} from './set-up-lock.mjs'
import {ensureContainerRuntime, ensurePrograms, ensureTestTools} from './system-packages.mjs'

/**
 * Brings this checkout to the point where creo runs, doing only what is still missing, and answers the path of the Node to
 * run it with. `build: false` leaves compiling to the caller; `programs` must be there afterwards. Ends the process with one sentence when it can't.
 */
export async function setUp({build = true, containers = false, testTools = false, programs = []} = {}) {
  refuseOldNode()
  try {
    return await withSetUpLock(join(STATE, 'set-up.lock'), async () => {
      const node = await ensureDependencies()
      if (containers) await ensureContainerRuntime()
      if (testTools) await ensureTestTools()
      await ensurePrograms(programs)
      if (build && (await compile(node)) !== 0) throw new Error('creo could not be compiled; the compiler said why above.')
      return node
    })
  } catch (error) {
    say(error.message)
    process.exit(1)
  }
}
