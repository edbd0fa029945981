import {join} from 'node:path'
import {execa} from 'execa'
import {expect, onTestFinished} from 'vitest'
import {joinToken} from '../../src/core/join-token.ts'
import {loadKeyFile} from '../../src/identity/keys.ts'
import {startFakeCoordinator} from '../support/fake-coordinator.ts'
import {writeShownPlugin} from '../support/shown-plugins.ts'
import {startFakeGateway} from './fake-gateway.ts'
import {mine, pushEcho} from './mining.ts'
import {revisionEntry} from './worlds.ts'

/**
 * Installs the runtime that docs/PLUGINS.md shows with a creo, starts a miner with it, and asks a function that it runs.
 * @param creo how its command line begins.
 */
export async function servesByShownRuntime(
  creo: readonly string[],
  {directory, env}: {readonly directory: string; readonly env: NodeJS.ProcessEnv}
): Promise<void> {
  const coordinator = await startFakeCoordinator(join(directory, 'c'))
  onTestFinished(() => coordinator.stop())
  const imageDigest = await pushEcho(directory, coordinator)
  const [program = '', ...script] = creo
  await execa(program, [...script, 'plugins', 'install', await writeShownPlugin('creo-runtime-mine', directory)], {env, extendEnv: false})
  const nodes = new Map<string, string>()
  const gateway = await startFakeGateway({network: coordinator.network, nodes})
  const token = joinToken(`acc_${'a'.repeat(32)}`, 't0ken')
  coordinator.allowToken(token)
  const data = join(directory, 'm')
  const where = ['--data', data, '--coordinator', coordinator.url, '--network-id', coordinator.network, '--token', token]
  const offered = ['--name', 'a', '--earn', 'colibris/LEAF', '--cpu', '2', '--memory', '1GiB']
  const mining = await mine([...where, ...offered, '--runtime', 'mine', '--allow-unlimited'], env, creo)
  const {node} = mining.ready
  nodes.set(node, (await loadKeyFile(join(data, 'node.key'))).publicKey)
  expect(coordinator.heartbeats.at(-1)).toMatchObject({runtime: 'mine'})
  const nowMs = Date.now()
  const lease = {id: 'lea_9', node, revision: 'rev_7', startsAtMs: nowMs, endsAtMs: nowMs + 3_600_000, budgets: []}
  coordinator.setTable({kind: 'node', node, leases: [lease], revisions: [revisionEntry(imageDigest)], gateways: [gateway.entry]})
  ;(await gateway.link(node)).send({type: 'start', instance: 'one', revision: 'rev_7', lease: 'lea_9'})
  expect(await gateway.next('started', 'start_failed')).toMatchObject({type: 'started', instance: 'one'})
  expect(JSON.parse((await gateway.ask(node, 'one')) ?? '')).toMatchObject({method: 'GET', uid: 65_532})
  mining.child.kill('SIGTERM')
  expect(await mining.exited).toBe(0)
}
