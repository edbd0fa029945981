import {expect, it} from 'vitest'
import {startWorld} from './coordinator-world.ts'

it('pays Gutta at the end of an epoch to who worked for the exchange app, and leases that app to no one else', async () => {
  const world = await startWorld({epochMs: 1000})
  const {actors} = world
  try {
    const exchange = await actors.person('creometry', world.operator)
    await actors.deploy(exchange, false)
    const bob = await actors.person('bob')
    const [node, other] = [await actors.node(bob), await actors.node(bob)]
    await actors.heartbeat(other, {earn: ['colibris/LEAF']})
    await actors.heartbeat(node, {earn: ['gutta']})
    const {lease} = await actors.leased(node)
    expect(lease.budgets).toEqual([])
    const receipt = actors.receipt({gateway: await actors.gateway(world.operator), node, lease, window: 0, requests: 4})
    expect((await actors.ask('POST', '/v1/receipts', {body: {receipts: [receipt]}})).json).toMatchObject({answers: [{status: 'paid'}]})
    let minted = 0
    while (minted === 0) {
      const {sequence} = (await actors.ask('GET', '/v1/network')).json as unknown as {sequence: number}
      const {json} = await actors.ask('GET', '/v1/epochs', {headers: {'creo-after': String(sequence + 1)}})
      const {epochs} = json as unknown as {epochs: {mintedMicroGutta: string}[]}
      minted = Math.max(...epochs.map((epoch) => Number(epoch.mintedMicroGutta)))
    }
    expect(minted).toBe(1_000_000_000)
    expect(await actors.available('bob', 'gutta')).toBe(minted)
    expect((await actors.ask('GET', `/v1/leases?node=${other.id}`)).json).toEqual({leases: []})
  } finally {
    await world.close()
  }
})
