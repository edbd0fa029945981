import {readFile, readlink} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {appViewSchema} from '../../core/protocol/api.ts'
import {containedProcesses} from '../leftover-processes.ts'
import {initPath} from '../runtimes.ts'
import {type ConfinedProcess, confinedProcess, type GroupLimits, groupLimits} from './confinement.ts'
import {eventually, mustHold} from './must-hold.ts'
import {MINERS, ORGS} from './steps-network.ts'
import type {TourStep, TourWorld} from './tour.ts'

/** The seccomp mode of a process whose calls a filter decides. */
const SECCOMP_FILTER = '2'
const NO_CAPABILITIES = /^0+$/
/** More processes than this no function of the network is allowed. */
const PIDS_MAX = 1000

interface Container {
  readonly init: ConfinedProcess
  /** What the init started. */
  readonly functions: readonly ConfinedProcess[]
  readonly limits: GroupLimits
}

/** Looks at the containers from the host, through the kernel's own files: nothing that creo says of itself is believed here. */
export const sandboxSteps: readonly TourStep[] = [
  {
    id: 'sandbox',
    title: 'The containers are confined: no network, no rights, limits as in the manifest',
    run: async (world) => {
      const facts: Record<string, unknown> = {}
      for (const [miner, org] of [
        [MINERS.leaf, ORGS.shop],
        [MINERS.gutta, ORGS.exchange]
      ] as const) {
        const containers = await containersOf(world, miner)
        const limits = await manifestLimits(world, org)
        for (const container of containers) await mustBeConfined(miner, container, limits)
        facts[miner] = containers.map(factsOf)
        const [{limits: first} = {limits: undefined}] = containers
        world.found(
          `${miner}: ${containers.length} of ${org}, each ${(first?.memoryBytes ?? 0) / 2 ** 20} MiB, ${(first?.cpuMillis ?? 0) / 1000} CPU, ${first?.pidsMax} processes at most`
        )
      }
      return facts
    }
  }
]

/** Every container of a miner, once each has got as far as running its function under creo's own init. */
async function containersOf(world: TourWorld, miner: string): Promise<readonly Container[]> {
  const ours = await readFile(initPath())
  return await eventually(`each container of ${miner} runs its function below creo-init`, world.signal, async () => {
    const processes = (await Promise.all((await containedProcesses(join(world.network.directory, miner))).map(confinedProcess))).flatMap(
      (process) => (process === undefined ? [] : [process])
    )
    const inits = processes.filter(({innerPid}) => innerPid === 1)
    const programs = await Promise.all(inits.map(({pid}) => readFile(`/proc/${pid}/exe`).catch(() => Buffer.alloc(0))))
    const containers = await Promise.all(
      inits.map(async (init) => ({
        init,
        functions: processes.filter(({pid, pidNamespace}) => pid !== init.pid && pidNamespace === init.pidNamespace),
        limits: await groupLimits(init.pid)
      }))
    )
    const areReady = programs.every((program) => program.equals(ours)) && containers.every(({functions}) => functions.length > 0)
    return inits.length > 0 && areReady ? containers : undefined
  })
}

async function manifestLimits(
  world: TourWorld,
  org: string
): Promise<readonly {readonly memoryBytes: number; readonly cpuMillis: number}[]> {
  const {apps} = await world.read(`/v1/apps?org=${org}`, z.object({apps: z.array(appViewSchema)}))
  return apps.flatMap((app) => app.revisions.filter(({current}) => current).map(({spec}) => spec))
}

async function mustBeConfined(miner: string, container: Container, manifest: Awaited<ReturnType<typeof manifestLimits>>): Promise<void> {
  const hostNet = await readlink('/proc/self/ns/net')
  for (const process of [container.init, ...container.functions]) {
    const who = `process ${process.pid} of ${miner}`
    mustHold(process.netNamespace !== hostNet, `${who} has a network of its own`)
    mustHold(NO_CAPABILITIES.test(process.capabilities), `${who} has no capability, it has ${process.capabilities}`)
    mustHold(process.seccomp === SECCOMP_FILTER, `a seccomp filter decides the calls of ${who}`)
    mustHold(process.noNewPrivileges === '1', `${who} can't gain rights`)
    mustHold(process.hostUid > 0, `${who} is not root of the host`)
  }
  const {memoryBytes, cpuMillis, pidsMax, group} = container.limits
  mustHold(
    manifest.some((spec) => spec.memoryBytes === memoryBytes && spec.cpuMillis === cpuMillis),
    `the control group ${group} of ${miner} has the manifest's limits, it has ${memoryBytes} bytes and ${cpuMillis} CPU thousandths`
  )
  mustHold(pidsMax !== undefined && pidsMax <= PIDS_MAX, `the control group ${group} of ${miner} limits its processes`)
}

function factsOf({init, functions, limits}: Container): Record<string, unknown> {
  return {
    init: init.pid,
    function: functions.map(({pid}) => pid),
    hostUid: init.hostUid,
    capabilities: init.capabilities,
    seccomp: 'filter',
    noNewPrivileges: true,
    network: init.netNamespace,
    ...limits
  }
}
