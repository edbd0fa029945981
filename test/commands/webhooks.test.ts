import {once} from 'node:events'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {CliWorld} from './cli-world.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator()
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
  await world.must('account', 'create', 'colibris')
})
afterAll(() => world.close())

it('has an org told of its redemptions at an address, tries it, and says how it goes', async () => {
  const server = createServer((request, response) => request.resume().on('end', () => response.writeHead(202).end())).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const hook = (...args: string[]) => ['redemption', 'webhook', ...args, '--as', 'colibris']
  try {
    const none = await world.run(...hook('show'))
    expect([none.code, none.stderr]).toEqual([4, expect.stringContaining('colibris has no webhook.')])
    expect((await world.run(...hook('set', 'shop'))).stderr).toContain('"shop"')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
    expect(await world.must(...hook('set', url))).toMatchObject({org: 'colibris', url, networkId: world.networkId, failing: null})
    expect(await world.must(...hook('test'))).toMatchObject({status: 202})
    server.closeAllConnections()
    expect(await world.must(...hook('deliveries'))).toEqual({org: 'colibris', deliveries: []})
    expect((await world.run(...hook('show'))).stdout).toContain('0 waiting, 0 given up')
    expect(await world.must(...hook('retry'))).toEqual({org: 'colibris', retried: 0})
    expect(await world.must(...hook('remove'))).toEqual({org: 'colibris', status: 'removed'})
  } finally {
    server.close()
  }
})
