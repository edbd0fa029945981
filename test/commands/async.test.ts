import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {CliWorld} from './cli-world.ts'

const SHOP = 'colibris/shop'
const UNKNOWN = `call_${'x'.repeat(32)}`

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator()
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
  await world.must('account', 'create', 'colibris')
  const folder = join(world.folder, 'shop')
  await mkdir(join(folder, 'web'), {recursive: true})
  await writeFile(join(folder, 'web', 'file'), 'x')
  const cron = '    cron:\n      - {schedule: "30 7 * * *", path: /report, timezone: Africa/Nairobi}\n'
  const fn = `    base: scratch\n    command: [/app/file]\n    source: ./web\n${cron}`
  await writeFile(join(folder, 'creo.yaml'), `app: shop\norg: colibris\nroutes:\n  - {path: /, function: web}\nfunctions:\n  web:\n${fn}`)
  await world.must('deploy', folder, '--wait', '0s')
})
afterAll(() => world.close())

it('schedules are listed with the next time of their zone', async () => {
  const {app, schedules} = (await world.must('cron', 'list', SHOP)) as {app: string; schedules: {nextAt: string}[]}
  expect(app).toBe(SHOP)
  expect(schedules).toEqual([
    {
      function: 'web',
      schedule: '30 7 * * *',
      timezone: 'Africa/Nairobi',
      method: 'POST',
      path: '/report',
      nextAt: expect.stringMatching(/T04:30:00\.000Z$/),
      last: null
    }
  ])
  expect((await world.run('cron', 'list', SHOP)).stdout).toMatch(
    /web +30 7 \* \* \* Africa\/Nairobi +POST \/report +\d{4}-\d\d-\d\d 04:30Z/
  )
})

it('calls are listed to keys of their org alone', async () => {
  expect(await world.must('async', 'list', SHOP, '--state', 'failed')).toEqual({app: SHOP, calls: [], silent: []})
  await world.must('account', 'create', 'eve')
  for (const command of [
    ['async', 'list'],
    ['cron', 'list']
  ]) {
    expect(await world.json(...command, SHOP, '--as', 'eve')).toMatchObject({code: 3, json: {error: {code: 'forbidden'}}})
  }
})

it('an id that nobody knows is said so, and one that is none as well', async () => {
  for (const deed of ['show', 'cancel', 'retry']) {
    expect(await world.json('async', deed, UNKNOWN)).toMatchObject({code: 4, json: {error: {code: 'not_found'}}})
    expect(await world.json('async', deed, 'call_1')).toMatchObject({code: 2, json: {error: {code: 'invalid_input'}}})
  }
  expect(await world.json('invoke', SHOP, '/', '--async', '-X', 'GET')).toMatchObject({code: 2, json: {error: {code: 'usage'}}})
})
