import type {FastifyRequest} from 'fastify'
import {expect, onTestFinished, test, vi} from 'vitest'
import {ClientLimits} from '../../src/coordinator/http/client-limits.ts'
import {RequestSigner} from '../../src/coordinator/http/request-signer.ts'
import {LastingReads} from '../../src/coordinator/lasting-reads.ts'
import {coordinatorSettings} from '../../src/coordinator/settings.ts'
import {signRequest} from '../../src/identity/http-signatures.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {createNonceMemory} from '../../src/identity/nonces.ts'
import {SignaturePool} from '../../src/identity/signature-pool.ts'
import type {LedgerReads, NodeView} from '../../src/ledger/port.ts'

const NOW_MS = 1_800_000_000_000
const key = generateKeyPair()

/** A signer over projections that know the node only once they have reached what the journal has. */
function signerBehind(projected: () => Promise<void>) {
  let isThere = false
  const node = {id: 'node_1', publicKey: key.publicKey} as NodeView
  const reads = {
    node: () => (isThere ? node : undefined),
    nodeByKey: () => (isThere ? node : undefined),
    accountByKey: () => undefined,
    gateways: () => []
  } as unknown as LedgerReads
  const reach = vi.fn(async (_sequence: number) => {
    await projected()
    isThere = true
  })
  const signatures = new SignaturePool()
  onTestFinished(() => signatures.close())
  const limits = new ClientLimits(coordinatorSettings('development'))
  const ledger = {reads, sequence: 7, projected: reach}
  return {
    reach,
    signer: new RequestSigner({
      ledger,
      lasting: new LastingReads(ledger.reads),
      nowMs: () => NOW_MS,
      limits,
      signatures,
      nonces: createNonceMemory()
    })
  }
}

function heartbeat(signedBy = key): {request: FastifyRequest; body: Buffer} {
  const body = Buffer.from('{}')
  const url = 'http://127.0.0.1:7700/v1/heartbeats'
  const headers = {...signRequest({method: 'POST', url, body, key: signedBy, nowMs: NOW_MS}), host: '127.0.0.1:7700'}
  const request = {method: 'POST', protocol: 'http', host: '127.0.0.1:7700', url: '/v1/heartbeats', raw: {url: '/v1/heartbeats'}, headers}
  return {request: request as unknown as FastifyRequest, body}
}

test('a node that was just told of its enrolment is known, though the projections have yet to reach it', async () => {
  const {signer, reach} = signerBehind(async () => undefined)
  const {request, body} = heartbeat()
  expect(await signer.keyOf(request, body)).toBe(key.keyId)
  expect(reach.mock.calls.map(([sequence]) => sequence)).toEqual([7])
})

test('a key that the network does not know is refused once the projections have all that there is', async () => {
  const {signer, reach} = signerBehind(async () => undefined)
  const {request, body} = heartbeat(generateKeyPair())
  await expect(signer.keyOf(request, body)).rejects.toMatchObject({code: 'unauthorized'})
  expect(reach).toHaveBeenCalledOnce()
})
