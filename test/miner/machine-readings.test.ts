import {mkdir, writeFile} from 'node:fs/promises'
import {cpus} from 'node:os'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {MachineReadings} from '../../src/miner/machine-readings.ts'
import {temporaryDirectory} from './worlds.ts'

const TICKS_PER_S = 100

async function machine(supplies: Readonly<Record<string, Readonly<Record<string, string>>>> = {}) {
  const directory = await temporaryDirectory()
  for (const [name, facts] of Object.entries(supplies)) {
    const folder = join(directory, 'class/power_supply', name)
    await mkdir(folder, {recursive: true})
    for (const [fact, value] of Object.entries(facts)) await writeFile(join(folder, fact), `${value}\n`)
  }
  const clock = {ms: 0, ownMicros: 0, busyTicks: 0}
  const readings = new MachineReadings({
    monotonicMs: () => clock.ms,
    ownCpuMicros: async () => clock.ownMicros,
    proc: directory,
    sys: directory
  })
  /** Five seconds in which others and this node took that share of all CPUs. */
  const pass = async (othersShare: number, ownShare: number): Promise<number | null> => {
    clock.ms += 5000
    clock.busyTicks += 5 * TICKS_PER_S * cpus().length * (othersShare + ownShare)
    clock.ownMicros += 5_000_000 * cpus().length * ownShare
    await writeFile(join(directory, 'stat'), `cpu  ${Math.round(clock.busyTicks)} 0 0 99999 7 0 0 0 0 0\ncpu0 1 1 1 1\n`)
    return await readings.idleForMs()
  }
  return {readings, pass}
}

test.each([
  ['has no battery', {}, null],
  ['has the mains and a full battery', {AC: {type: 'Mains', online: '1'}, BAT0: {type: 'Battery', status: 'Full'}}, false],
  ['was unplugged', {AC: {type: 'Mains', online: '0'}, BAT0: {type: 'Battery', status: 'Discharging'}}, true],
  ['has one battery of two in use', {BAT0: {type: 'Battery', status: 'Full'}, BAT1: {type: 'Battery', status: 'Discharging'}}, true],
  ['has a mouse with a battery', {mouse: {type: 'Battery', scope: 'Device', status: 'Discharging'}}, null],
  ['charges by USB', {ucsi: {type: 'USB', online: '1'}, BAT0: {type: 'Battery', status: 'Discharging'}}, false]
])('a machine that %s', async (_what, supplies, expected) => {
  expect(await (await machine(supplies)).readings.isOnBattery()).toBe(expected)
})

test('the own work of the node is not taken for somebody who uses the machine', async () => {
  const {pass} = await machine()
  for (const _round of [1, 2, 3, 4]) await pass(0.05, 0.9)
  expect(await pass(0.05, 0.9)).toBeGreaterThan(15_000)
})

test('somebody uses the machine after two busy looks, not after one, and has left it when it is quiet again', async () => {
  const {pass} = await machine()
  await pass(0, 0)
  expect(await pass(0.5, 0)).toBeGreaterThan(0)
  expect(await pass(0.5, 0)).toBe(0)
  expect(await pass(0, 0)).toBe(1)
  expect(await pass(0, 0)).toBe(5001)
})

test('where /proc does not tell, nothing is said', async () => {
  expect(await (await machine()).readings.idleForMs()).toBeNull()
})
