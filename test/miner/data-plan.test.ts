import {expect, test} from 'vitest'
import {DataPlan} from '../../src/miner/data-plan.ts'
import {temporaryDirectory} from './worlds.ts'

const CAP_BYTES = 1000
const TERMS = {dataBytesPerMonth: CAP_BYTES}

test("what passes counts in the month of the owner's own clock, from the first second of it, and a clock that is set back makes no room", async () => {
  let nowMs = Date.UTC(2026, 10, 30, 22, 59, 59, 999)
  const options = {dataDirectory: await temporaryDirectory(), terms: () => TERMS, now: () => nowMs, timeZone: 'Europe/Berlin'}
  const plan = await DataPlan.open(options)
  plan.count(900)
  expect(() => plan.countOrCut(101)).toThrow(expect.objectContaining({code: 'rejected'}))
  expect([plan.usedBytes, plan.hasRoom(0)]).toEqual([1001, false])
  nowMs += 1
  expect([plan.usedBytes, plan.hasRoom(CAP_BYTES), plan.hasRoom(CAP_BYTES + 1)]).toEqual([0, true, false])
  plan.count(7)
  nowMs -= 1
  expect(plan.usedBytes).toBe(1008)
  await plan.save()
  expect((await DataPlan.open(options)).usedBytes).toBe(1008)
  nowMs += 1
  expect([plan.usedBytes, (await DataPlan.open(options)).usedBytes]).toEqual([7, 7])
})
