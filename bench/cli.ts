import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {fileURLToPath} from 'node:url'
import {type Figure, figure, ratios} from './form.ts'
import type {Bench} from './run.ts'

const ROUNDS = 25
/** Rounds that fill the disk cache and the compile cache and are not counted. */
const WARM_UP_ROUNDS = 3
/** What a command that asks nobody may take from its start to its end, on an idle machine. */
const COMMAND_MS_MAX = 150
const CREO = fileURLToPath(new URL('../bin/run.js', import.meta.url))

const programs = {
  node: ['-e', '0'],
  version: [CREO, '--version'],
  help: [CREO, '--help'],
  help_deploy: [CREO, 'help', 'deploy'],
  config_list: [CREO, 'config', 'list']
} as const
type Program = keyof typeof programs

/**
 * Start of a few commands that ask nobody beside an empty Node program, one after the other in every round, so that what else
 * the machine does falls on all of them. This is creo as bundled in its checkout, not packaged, which the names say.
 */
export const measure: Bench['measure'] = async ({signal, say}) => {
  const samples: Record<Program, number[]> = {node: [], version: [], help: [], help_deploy: [], config_list: []}
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    for (const name of Object.keys(programs) as Program[]) {
      const ms = await startMs(programs[name], signal)
      if (round >= 0) samples[name].push(ms)
    }
  }
  say(`${ROUNDS} interleaved rounds after ${WARM_UP_ROUNDS} to warm up.`)
  return [
    figure({name: 'cost.version.vs_node.unpackaged', unit: 'ratio', samples: ratios(samples.version, samples.node), goal: {atMost: 4}}),
    figure({name: 'cost.help.vs_node.unpackaged', unit: 'ratio', samples: ratios(samples.help, samples.node), goal: {atMost: 5}}),
    ...(Object.keys(programs) as Program[]).map(
      (name): Figure =>
        figure({name: `${name}_ms`, unit: 'ms', samples: samples[name], ...(name !== 'node' && {goal: {atMost: COMMAND_MS_MAX}})})
    )
  ]
}

async function startMs(args: readonly string[], signal: AbortSignal): Promise<number> {
  const startedAtMs = performance.now()
  const child = spawn(process.execPath, args, {stdio: 'ignore', signal})
  const [exitCode] = (await once(child, 'exit')) as [number | null]
  if (exitCode !== 0) throw new Error(`${args.join(' ')} ended with exit code ${exitCode}`)
  return performance.now() - startedAtMs
}
