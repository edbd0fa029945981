import {type ChildProcess, fork} from 'node:child_process'
import {generateKeyPairSync} from 'node:crypto'
import {once} from 'node:events'
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {type LeanRole, leanSettings} from '../../src/cli/lean-process.ts'
import type {AssetListRef} from '../../src/core/protocol/assets.ts'
import type {Setup} from './roles.ts'

/** Where the function is on each node: at one socket, or each instance at a port. */
export interface BenchFunction {
  readonly functionSocket: string
  /** By node; all have as many. */
  readonly ports?: readonly (readonly number[])[]
  readonly concurrency?: number
  /** It serves listed files. */
  readonly assets?: AssetListRef
}

/** Gateway and miners as processes of their own, with a table of one function. */
export async function startGateway(
  directory: string,
  {ports = [[]], ...of}: BenchFunction,
  stops: (() => Promise<unknown>)[]
): Promise<{readonly pid: number; readonly port: number}> {
  const key = (): string => generateKeyPairSync('ed25519').privateKey.export({format: 'der', type: 'pkcs8'}).toString('base64url')
  const [node = '', ...moreNodes] = ports.map(key)
  const setupOf = (at: number): Setup => ({
    ...shared,
    node: [node, ...moreNodes][at] ?? '',
    directory: join(directory, `node${at}`),
    ...((ports[at]?.length ?? 0) > 0 && {functionPorts: [...(ports[at] ?? [])]})
  })
  const shared = {
    network: 'b'.repeat(64),
    coordinator: key(),
    gateway: key(),
    moreNodes,
    ...of,
    tunnelUrl: ''
  }
  const gateway = startProcess('gateway serve', new URL('./gateway-process.ts', import.meta.url), {
    ...setupOf(0),
    directory: join(directory, 'gateway')
  })
  stops.push(() => stopProcess(gateway))
  const [ready] = await once(gateway, 'message')
  const {publicUrl, tunnelUrl} = z.object({publicUrl: z.string(), tunnelUrl: z.string()}).parse(ready)
  const miners: ChildProcess[] = []
  for (const at of ports.keys()) {
    await mkdir(join(directory, `node${at}`))
    const miner = startProcess('mine start', new URL('./miner-process.ts', import.meta.url), {...setupOf(at), tunnelUrl})
    stops.push(() => stopProcess(miner))
    await once(miner, 'message')
    miners.push(miner)
  }
  // All at once, or all instances would be started on the first that is there.
  for (const miner of miners) miner.send('greet')
  return {pid: gateway.pid ?? 0, port: Number(new URL(publicUrl).port)}
}

/** Under the settings that the program gives itself in this role. */
function startProcess(role: LeanRole, file: URL, setup: Setup): ChildProcess {
  const {execArgv, env} = leanSettings(role)
  return fork(file, [JSON.stringify(setup)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [...execArgv],
    env: {...process.env, ...env}
  })
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.send('stop')
  await once(child, 'exit')
}
