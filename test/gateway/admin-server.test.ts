import {expect, it} from 'vitest'
import {createAdminServer} from '../../src/gateway/admin-server.ts'
import {listenOn} from '../../src/gateway/listen.ts'
import type {TunnelServer} from '../../src/tunnel/accept.ts'

it('a probe asks only whether the gateway is ready, and costs no status of everything', async () => {
  const server = createAdminServer({
    tunnel: {handleUpgrade: () => undefined} as unknown as TunnelServer,
    status: expect.unreachable,
    metrics: expect.unreachable,
    standing: () => ({admitted: false, tableVersion: 7})
  })
  const listening = await listenOn(server, {host: '127.0.0.1', port: 0}, {closeMaxMs: 0})
  const answer = await fetch(`${listening.url}/.creo/readyz`)
  expect([answer.status, await answer.json()]).toEqual([503, {ready: false, reason: expect.stringContaining('has not admitted')}])
  await listening.close()
})
