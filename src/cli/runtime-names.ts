import {Config, type Interfaces} from '@oclif/core'
import {findRuntimes} from '../runtime/find-runtimes.ts'

/** The command that takes the name of a runtime, and its flag. */
const COMMAND = 'mine:start'
const FLAG = 'runtime'

/** The program with the names of the runtimes that its plugins offer where `mine start` says what `--runtime` takes. A name that is none is refused by `createRuntime`. */
export async function withRuntimeNames(program: Interfaces.Options): Promise<Config> {
  const config = await Config.load(program)
  const flag = config.findCommand(COMMAND)?.flags[FLAG]
  if (flag?.type !== 'option') return config
  const {providers} = await findRuntimes(config)
  flag.options = providers.map(({name}) => name)
  flag.description = `${flag.description ?? ''} Installed: ${flag.options.join(', ')}.`
  return config
}
