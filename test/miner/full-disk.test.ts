import {mkdir, open, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {expect, onTestFinished, test} from 'vitest'
import {started, world} from './miner-world.ts'

const isRoot = process.getuid?.() === 0
const DISK_BYTES = 8 * 2 ** 20
const ROUNDS = {timeout: 45_000}

/** Takes every byte that is left. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w')
  const full = (async () => {
    for (;;) await file.write(Buffer.alloc(4096))
  })()
  await expect(full).rejects.toMatchObject({code: 'ENOSPC'})
  await file.close()
}

test.runIf(isRoot)(
  'on a full disk a miner rests, says so, signs nothing that it could not keep, and goes on once there is room',
  async () => {
    const w = await world()
    const folder = join(w.directory, 'm')
    await execa('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'creo', folder])
    onTestFinished(async () => void (await execa('umount', ['-l', folder])))
    w.coordinator.setTable(w.table())
    const miner = await w.miner()
    let crash: unknown
    void miner.crashed.then((error) => {
      crash = error
    })
    expect(await started(w)).toMatchObject({type: 'started'})
    await fill(join(folder, 'ballast'))
    const proposal = w.gateway.propose(w.nodeKey, {mibMs: 1})
    ;(await w.gateway.link(w.node)).send(proposal)
    await w.gateway.ask(w.node, 'i-1')
    const used = miner.status.dataUsedBytes
    await expect.poll(() => miner.status.restReason, ROUNDS).toBe('The disk is full.')
    expect(await w.gateway.next('draining')).toBeDefined()
    expect(await started(w, 'i-2')).toMatchObject({type: 'start_failed', code: 'draining'})
    expect(w.gateway.messages.filter(({type}) => type === 'receipt' || type === 'refuse_receipt')).toEqual([])
    expect(crash).toBeUndefined()

    await rm(join(folder, 'ballast'))
    await expect.poll(() => w.gateway.messages.filter(({type}) => type === 'ready').length, ROUNDS).toBe(2)
    expect(miner.status.restReason).toBeNull()
    ;(await w.gateway.link(w.node)).send(proposal)
    expect(await w.gateway.next('receipt', 'refuse_receipt')).toMatchObject({type: 'receipt'})
    expect(await started(w, 'i-3')).toMatchObject({type: 'started'})
    await miner.drain()
    const later = await w.miner()
    expect(later.status.dataUsedBytes).toBeGreaterThanOrEqual(used)
    await later.drain()
  },
  170_000
)

test('a count of data that cannot be written lets the node rest, and is written with everything once it can be', async () => {
  const w = await world()
  const path = join(w.directory, 'm', 'data-used.json')
  w.coordinator.setTable(w.table())
  const miner = await w.miner()
  await expect.poll(() => miner.status.imageBytes, ROUNDS).toBeGreaterThan(0)
  await rm(path, {force: true})
  await mkdir(join(path, 'in-the-way'), {recursive: true})
  expect(await started(w)).toMatchObject({type: 'started'})
  await w.gateway.ask(w.node, 'i-1')
  await expect.poll(() => miner.status.restReason, ROUNDS).toContain('The folder of the node cannot be written to (E')
  await rm(path, {recursive: true})
  await expect.poll(() => miner.status.restReason, ROUNDS).toBeNull()
  const used = miner.status.dataUsedBytes
  await miner.drain()
  const later = await w.miner()
  expect(later.status.dataUsedBytes).toBeGreaterThanOrEqual(used)
  await later.drain()
})
