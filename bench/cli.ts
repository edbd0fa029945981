import {execFile, spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, mkdtempSync, rmSync, statSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'
import {type Figure, figure, ratios} from './form.ts'
import type {Bench} from './run.ts'

const ROUNDS = 25
/** Rounds that unpack the program, fill the disk cache and the compile cache, and are not counted. */
const WARM_UP_ROUNDS = 3
/** What a command that asks nobody may take from its start to its end, on an idle machine. */
const COMMAND_MS_MAX = 150
const MIB = 1024 * 1024
const ROOT = fileURLToPath(new URL('../', import.meta.url))

const commands = {
  version: ['--version'],
  help: ['help'],
  help_deploy: ['help', 'deploy'],
  config_list: ['config', 'list'],
  network_list: ['network', 'list']
} as const
type Command = keyof typeof commands
const NAMES = Object.keys(commands) as Command[]

/**
 * Start of a few commands that ask nobody, of the packaged program, beside an empty Node program, one after the other in every round, so that what else
 * the machine does falls on all of them. The package is that of `npm run package`; it is made where there is none of what is compiled here.
 */
export const measure: Bench['measure'] = async ({signal, say}) => {
  const creo = await packaged(say, signal)
  const home = mkdtempSync(join(tmpdir(), 'creo-bench-cli-'))
  const node: number[] = []
  const samples: Record<Command, number[]> = {version: [], help: [], help_deploy: [], config_list: [], network_list: []}
  try {
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
      const nodeMs = await startMs({program: process.execPath, args: ['-e', '0'], home}, signal)
      if (round >= 0) node.push(nodeMs)
      for (const name of NAMES) {
        const ms = await startMs({program: creo, args: commands[name], home}, signal)
        if (round >= 0) samples[name].push(ms)
      }
    }
  } finally {
    rmSync(home, {recursive: true, force: true})
  }
  say(`${ROUNDS} interleaved rounds after ${WARM_UP_ROUNDS} to warm up.`)
  return [
    figure({name: 'cost.version.vs_node', unit: 'ratio', samples: ratios(samples.version, node), goal: {atMost: 4}}),
    figure({name: 'cost.help.vs_node', unit: 'ratio', samples: ratios(samples.help, node), goal: {atMost: 5}}),
    figure({name: 'download_mib', unit: 'MiB', samples: [statSync(`${creo}.xz`).size / MIB], goal: {atMost: 40}}),
    figure({name: 'node_ms', unit: 'ms', samples: node}),
    ...NAMES.map((name): Figure => figure({name: `${name}_ms`, unit: 'ms', samples: samples[name], goal: {atMost: COMMAND_MS_MAX}}))
  ]
}

/** The executable of this machine's architecture, with its download beside it. */
async function packaged(say: (text: string) => void, signal: AbortSignal): Promise<string> {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'x64'
  const output = join(ROOT, 'dist-package')
  const path = join(output, `creo-linux-${architecture}`)
  if (!isCurrent(path) || !isCurrent(`${path}.xz`)) {
    say(`There is no package of what is compiled here in ${output}; it is made, which takes some minutes.`)
    const program = join(ROOT, 'packaging', 'package', 'package.ts')
    await promisify(execFile)(process.execPath, [program, '--arch', architecture, '--output', output], {signal})
  }
  say(`Measured is ${path}.`)
  return path
}

function isCurrent(path: string): boolean {
  return existsSync(path) && statSync(path).mtimeMs > statSync(join(ROOT, 'bundle', 'cli', 'main.js')).mtimeMs
}

async function startMs(
  {program, args, home}: {readonly program: string; readonly args: readonly string[]; readonly home: string},
  signal: AbortSignal
): Promise<number> {
  const startedAtMs = performance.now()
  const child = spawn(program, args, {stdio: 'ignore', env: {HOME: home, PATH: process.env.PATH}, signal})
  const [exitCode] = (await once(child, 'exit')) as [number | null]
  if (exitCode !== 0) throw new Error(`${args.join(' ')} ended with exit code ${exitCode}`)
  return performance.now() - startedAtMs
}
