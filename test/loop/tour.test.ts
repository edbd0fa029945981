import {join} from 'node:path'
import {expect, test} from 'vitest'
import {tourSteps} from '../../src/compose/tour/steps.ts'
import {creo} from '../support/processes.ts'
import {containersOf, leftBehind} from './left-behind.ts'
import {networkFolders, startUp, temporaryFolder, type UpProcess} from './up-process.ts'

const TIMEOUT_MS = 180_000
const IS_LONG = process.env.CREO_TEST_TIER === 'long'
/** Roles that lost their parent drain by themselves: requests, last receipts, containers. */
const ALONE_TIMEOUT_MS = 60_000
/** The step after which containers run. */
const CONTAINERS_RUN = 'Addresses answer what the containers computed … '
const STOPPED = 'no process and no container is left.'

test('the whole loop holds, says so in one object, and leaves nothing behind', {timeout: TIMEOUT_MS}, async () => {
  const folder = await temporaryFolder()
  const {code, stdout, stderr} = await startUp(folder, ['--tour', '--once', '--json']).ended
  const answer = JSON.parse(stdout)
  expect(answer, stderr).toMatchObject({holds: true, networkId: expect.stringMatching(/^[0-9a-f]{64}$/), totalMs: expect.any(Number)})
  expect(code).toBe(0)
  expect(answer.steps.map((step: {id: string}) => step.id)).toEqual(tourSteps.map((step) => step.id))
  for (const step of answer.steps) {
    expect(step.ms).toBeGreaterThan(0)
    expect(Object.keys(step.facts).length, `the facts of ${step.id}`).toBeGreaterThan(0)
  }
  const stopped = answer.stopped.map(({name, how}: {name: string; how: string}) => `${name} ${how}`)
  expect(stopped.sort()).toEqual(['coordinator by_itself', 'gateway by_itself', 'miner-a by_itself', 'miner-b by_itself'])
  expect(await leftBehind(folder)).toEqual([])
  expect(await networkFolders(folder)).toEqual([])
})

test('Ctrl-C in the middle of the tour stops everything, says so, and leaves nothing behind', {timeout: TIMEOUT_MS}, async () => {
  const folder = await temporaryFolder()
  const up = startUp(folder, ['--tour', '--once'])
  await up.said(CONTAINERS_RUN)
  expect(await containersOf(folder)).not.toEqual([])
  up.child.kill('SIGINT')
  const {code, stdout, stderr} = await up.ended
  expect({code, stdout}).toEqual({code: 130, stdout: ''})
  expect(stderr).toContain(STOPPED)
  expect(stderr).toContain('Code: interrupted')
  expect(await leftBehind(folder)).toEqual([])
  expect(await networkFolders(folder)).toEqual([])
})

test('a network that stays up leaves nothing at Ctrl-C, also of a miner that was killed, nor killed itself, and comes back as it was', {
  timeout: TIMEOUT_MS
}, async () => {
  const folder = await temporaryFolder()
  const data = join(folder, 'network')
  const env = {...process.env, CREO_CONFIG_DIR: join(data, 'config')}
  const start = async (): Promise<UpProcess> => {
    const up = startUp(folder, ['--data', data])
    await up.said('Ctrl-C stops everything.')
    return up
  }
  const comesBack = async (): Promise<UpProcess> => {
    const up = await start()
    const invoked = await creo(['invoke', 'dev/hello', '--json'], {env})
    expect(JSON.parse(invoked.stdout), invoked.stderr).toMatchObject({status: 200})
    expect(await containersOf(folder)).not.toEqual([])
    return up
  }

  const first = await start()
  expect(await creo(['init', join(folder, 'hello'), '--org', 'dev'], {env})).toMatchObject({code: 0})
  const deployed = await creo(['deploy', join(folder, 'hello'), '--as', 'dev', '--json'], {env})
  expect(deployed.code, deployed.stdout + deployed.stderr).toBe(0)
  expect(await containersOf(folder)).not.toEqual([])
  first.child.kill('SIGINT')
  const {code, stderr} = await first.ended
  expect(code, stderr).toBe(0)
  expect(stderr).toContain(`Stopped miner, gateway, coordinator; ${STOPPED}`)
  expect(stderr).toContain(`Everything is kept in ${data}`)
  expect(await leftBehind(folder)).toEqual([])

  const second = await comesBack()
  process.kill((await minerOf(folder)) ?? Number.NaN, 'SIGKILL')
  await expect.poll(() => minerOf(folder)).toBeUndefined()
  expect(await containersOf(folder)).not.toEqual([])
  second.child.kill('SIGINT')
  const stopped = await second.ended
  expect(stopped.code, stopped.stderr).toBe(0)
  expect(stopped.stderr).toContain(STOPPED)
  expect(await leftBehind(folder)).toEqual([])

  const third = await comesBack()
  third.child.kill('SIGKILL')
  await third.ended
  await expect.poll(() => leftBehind(folder), {timeout: ALONE_TIMEOUT_MS}).toEqual([])
})

test.runIf(IS_LONG)('the network of a tour comes back with its miners', {timeout: TIMEOUT_MS}, async () => {
  const folder = await temporaryFolder()
  const data = join(folder, 'network')
  expect((await startUp(folder, ['--tour', '--once', '--data', data]).ended).code).toBe(0)
  const again = startUp(folder, ['--data', data])
  await again.said('Ctrl-C stops everything.')
  again.child.kill('SIGINT')
  const {code, stderr} = await again.ended
  expect(code, stderr).toBe(0)
  expect(stderr).toMatch(/Stopped miner-[ab], miner-[ab], gateway, coordinator;/)
  expect(await leftBehind(folder)).toEqual([])
})

test.runIf(IS_LONG)(
  'when creo up itself is killed in the middle of the tour, the roles stop by themselves and no container stays',
  {
    timeout: TIMEOUT_MS
  },
  async () => {
    const folder = await temporaryFolder()
    const up = startUp(folder, ['--tour', '--once'])
    await up.said(CONTAINERS_RUN)
    expect(await containersOf(folder)).not.toEqual([])
    up.child.kill('SIGKILL')
    await up.ended
    await expect.poll(() => leftBehind(folder), {timeout: ALONE_TIMEOUT_MS}).toEqual([])
  }
)

async function minerOf(folder: string): Promise<number | undefined> {
  const found = (await leftBehind(folder)).find((line) => line.includes(' mine start '))
  return found === undefined ? undefined : Number(found.split(' ')[1])
}
