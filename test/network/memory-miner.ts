import {parseArgs} from 'node:util'
import {runMiner} from '../../src/compose/miner-role.ts'
import {createMemoryRuntime, type MemoryFunction} from '../../src/runtime/memory-runtime.ts'
import type {RuntimeProvider} from '../../src/runtime/port.ts'
import {createLog} from '../../src/telemetry/log.ts'
import {handle} from './function/handle.mjs'

/** A miner as `creo mine start` runs it, whose containers are bodies in its own process: every image is the function of these tests. */
const {values} = parseArgs({
  options: {
    data: {type: 'string', default: ''},
    coordinator: {type: 'string', default: ''},
    'network-id': {type: 'string', default: ''},
    name: {type: 'string', default: ''},
    earn: {type: 'string', default: ''},
    memory: {type: 'string', default: ''},
    token: {type: 'string'}
  }
})

class EveryImage extends Map<string, MemoryFunction> {
  override has(): boolean {
    return true
  }
  override get(): MemoryFunction {
    return () => handle
  }
}

const provider: RuntimeProvider = {
  name: 'memory',
  create: () => Promise.resolve(createMemoryRuntime({directory: `${values.data}/s`, images: new EveryImage()}))
}
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
process.stdin.on('end', () => stop.abort()).resume()

await runMiner(
  {
    directory: values.data,
    given: {
      coordinatorUrl: values.coordinator,
      networkId: values['network-id'],
      name: values.name,
      earn: [values.earn],
      memoryBytes: Number.parseInt(values.memory, 10) * 2 ** 20,
      cpuMillis: 8000,
      onBattery: true,
      runtime: 'memory'
    },
    token: values.token,
    allowUnlimited: true,
    config: {runHook: (async () => ({successes: [{plugin: {name: 'memory'}, result: [provider]}], failures: []})) as never},
    env: process.env,
    log: createLog({role: 'miner', env: process.env})
  },
  ({node, gateways}) => process.stdout.write(`${JSON.stringify({ready: true, role: 'miner', pid: process.pid, node, gateways})}\n`),
  stop.signal
)
process.exit(0)
