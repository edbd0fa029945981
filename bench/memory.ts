import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {leftBehind} from '../src/compose/leftover-processes.ts'
import type {RoleProcess} from '../src/compose/role-process.ts'
import {eventually} from '../src/compose/tour/must-hold.ts'
import {readStatus} from '../src/miner/status-file.ts'
import {ACCOUNT, benchNetwork, MINER, startNetwork} from './coldstart/bench-network.ts'
import {commands, writeFunction} from './coldstart/functions.ts'
import {unmountBelow} from './coldstart/runtime-rounds.ts'
import {type Figure, figure} from './form.ts'
import {processesOf, sumMib} from './memory/processes.ts'
import type {Bench} from './run.ts'

const SAMPLES = 5
const SAMPLE_EVERY_MS = 1000

/**
 * What gateway, miner and coordinator hold at rest, as processes of the built program, with one function deployed, leased and made ready: PSS
 * (a page that several share counts to each in part) of each with the helper processes that it started.
 */
export const measure: Bench['measure'] = async ({signal, say, idleMs}) => {
  const directory = await mkdtemp(join(tmpdir(), 'creo-memory-'))
  const network = benchNetwork(directory, signal)
  let miner: RoleProcess | undefined
  try {
    miner = await startNetwork(network, signal)
    const folder = join(directory, 'app')
    await writeFunction('static', join(folder, 'static'), signal)
    const functions = {
      one: {source: './static', base: 'scratch', command: commands.static, memory: '16MiB', cpu: 1, scale: {min: 0, max: 1}}
    }
    // JSON is YAML too.
    await writeFile(
      join(folder, 'creo.yaml'),
      JSON.stringify({app: 'rest', org: ACCOUNT, functions, routes: [{path: '/', function: 'one'}]})
    )
    await network.run(['deploy', folder, '--as', ACCOUNT, '--wait', '0s'])
    await eventually('the miner has pulled the function', signal, async () =>
      (await readStatus(join(network.directory, MINER)))?.leases.some(({imageReady}) => imageReady) ? true : undefined
    )
    say(`At rest for ${idleMs / 1000} s.`)
    await delay(idleMs, undefined, {signal})
    const roles = {gateway: network.role('gateway').pid, miner: miner.pid, coordinator: network.role('coordinator').pid}
    return await figuresOf(roles, {signal, say})
  } finally {
    await miner?.stop()
    await network.stop(() => undefined)
    await leftBehind(network.directory)
    await unmountBelow(network.directory)
    await rm(directory, {recursive: true, force: true})
  }
}

type Role = 'gateway' | 'miner' | 'coordinator'
const GOALS_MIB: Readonly<Record<Role, number>> = {gateway: 90, miner: 90, coordinator: 120}

async function figuresOf(
  roles: Readonly<Record<Role, number>>,
  {signal, say}: {readonly signal: AbortSignal; say(text: string): void}
): Promise<readonly Figure[]> {
  const samples: Record<Role, {all: number; helpers: number}[]> = {gateway: [], miner: [], coordinator: []}
  const helperNames = new Set<string>()
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    for (const role of ['gateway', 'miner', 'coordinator'] as const) {
      const family = await processesOf(roles[role])
      const helpers = family.filter(({pid}) => pid !== roles[role])
      for (const {name} of helpers) helperNames.add(`${name} of the ${role}`)
      samples[role].push({all: sumMib(family), helpers: sumMib(helpers)})
    }
    await delay(SAMPLE_EVERY_MS, undefined, {signal})
  }
  say(`Helper processes that are counted in: ${[...helperNames].join(', ') || 'none'}.`)
  const all = (role: Role): Figure =>
    figure({name: `${role}_rest_mib`, unit: 'MiB', samples: samples[role].map((one) => one.all), goal: {atMost: GOALS_MIB[role]}})
  const helpers = figure({name: 'miner_rest.podman_service_mib', unit: 'MiB', samples: samples.miner.map((one) => one.helpers)})
  return [all('gateway'), all('miner'), helpers, all('coordinator')]
}
