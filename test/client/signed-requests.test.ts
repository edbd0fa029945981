import {afterEach, describe, expect, it} from 'vitest'
import type {CreoError} from '../../src/core/errors.ts'
import type {Heartbeat} from '../../src/core/protocol/api.ts'
import {verifyRequest} from '../../src/identity/http-signatures.ts'
import {createNonceMemory} from '../../src/identity/nonces.ts'
import {signTime} from '../../src/identity/time.ts'
import {client, closeAll, coordinator, coordinatorKey, key, nonceOf, refusal, signedTime} from './client-world.ts'

afterEach(closeAll)

describe('signed requests', () => {
  const beat = {
    node: `node_${key.keyId}`,
    earn: [],
    architecture: 'amd64',
    runtime: 'podman',
    enforcesLimits: true,
    memoryBytes: 1,
    cpuMillis: 1,
    draining: false,
    instances: 0,
    logs: []
  } satisfies Heartbeat

  it('made with a wrong clock mend it once by the signed time', async () => {
    const nonces = createNonceMemory()
    const {coordinatorUrl, asked} = await coordinator(async ({method, url, headers, body}) => {
      if (url.startsWith('/v1/time')) return {status: 200, body: signedTime(url, coordinatorKey)}
      const request = {method, url: `http://${headers.host}${url}`, headers, body, keyOf: () => key.publicKey, nonces, nowMs: Date.now()}
      return await verifyRequest(request).then(
        () => ({status: 200, body: {ok: true, noWorkReason: null}}),
        (error: CreoError) => refusal(error.code)
      )
    })
    const wrong = client(coordinatorUrl, {now: () => Date.now() - 3_600_000})
    expect(await wrong.heartbeat(beat)).toEqual({ok: true, noWorkReason: null, everyMs: 5000})
    expect(Math.abs(wrong.nowMs() - Date.now())).toBeLessThan(5000)
    await wrong.heartbeat(beat)
    expect(asked.map(({url}) => url.split('?')[0])).toEqual(['/v1/heartbeats', '/v1/time', '/v1/heartbeats', '/v1/heartbeats'])
  })

  it('to the registry are made with the coordinator’s time, which is asked for once', async () => {
    const {coordinatorUrl, asked} = await coordinator(({url}) => ({status: 200, body: signedTime(url, coordinatorKey)}))
    const early = client(coordinatorUrl, {now: () => Date.now() + 60_000})
    const nonces = createNonceMemory()
    const pull = {method: 'GET', url: `${coordinatorUrl}/v2/colibris/shop/site/tags/list`}
    for (let count = 0; count < 2; count += 1) {
      const headers = await early.authorizeRegistry(pull)
      const verified = await verifyRequest({...pull, headers, keyOf: () => key.publicKey, nonces, nowMs: Date.now()})
      expect(verified.keyId).toBe(key.keyId)
    }
    expect(asked).toHaveLength(1)
  })

  it('mend the clock by the attempt that was answered, not by those that got lost', async () => {
    let nowMs = 0
    const {coordinatorUrl} = await coordinator(({url}, count) => {
      if (!url.startsWith('/v1/time')) return count === 1 ? refusal('clock_skew') : {status: 200, body: {ok: true, noWorkReason: null}}
      nowMs += 20_000
      if (count < 4) return 'cut'
      return {status: 200, body: signTime({nonce: nonceOf(url), atMs: 1_000_000, key: coordinatorKey})}
    })
    const mended = client(coordinatorUrl, {now: () => nowMs})
    await mended.heartbeat(beat)
    expect(mended.nowMs()).toBe(1_000_000 + 10_000)
  })

  it('do not believe a time that somebody else signed', async () => {
    const {coordinatorUrl} = await coordinator(({url}) =>
      url.startsWith('/v1/time') ? {status: 200, body: signedTime(url, key)} : refusal('clock_skew')
    )
    await expect(client(coordinatorUrl).heartbeat(beat)).rejects.toMatchObject({code: 'bad_signature'})
  })
})
