import {beforeEach, describe, expect, it} from 'vitest'
import {RememberedEvents, verifyWebhook, type WebhookRequest} from '../../src/app-client/webhooks.ts'
import {generateKeyPair, type KeyPair} from '../../src/identity/keys.ts'
import {signWebhook} from '../../src/identity/webhook-signatures.ts'

const NOW_MS = 1_790_000_000_000
const NETWORK = 'a'.repeat(64)
const redemption = {
  ...{id: 'red_31', offer: 'off_12', item: 'Espresso', incentive: 'colibris/LEAF', quantity: 1, amountMinor: '500'},
  ...{holder: `acc_${'b'.repeat(32)}`, requestedAtMs: NOW_MS - 5}
}
const event = {v: 1, id: 'evt_31_1', network: NETWORK, org: 'colibris', type: 'redemption.requested', atMs: NOW_MS - 5, seq: 31, redemption}

let key: KeyPair
beforeEach(() => {
  key = generateKeyPair()
})

function webhook(body: object = event, changes: {id?: string; key?: KeyPair; nowMs?: number} = {}): WebhookRequest {
  const text = JSON.stringify(body)
  const headers = signWebhook({id: event.id, url: 'https://shop.example.org/hook', text, key, nowMs: NOW_MS, ...changes})
  return {method: 'POST', headers, text}
}

const terms = (changes: object = {}) => ({network: NETWORK, coordinatorKey: key.publicKey, org: 'colibris', nowMs: NOW_MS, ...changes})
const refused = (request: WebhookRequest, changes: object = {}) =>
  expect(verifyWebhook(request, terms(changes))).rejects.toMatchObject({code: 'verification_failed'})

describe('a webhook', () => {
  it("is the network's when its coordinator signed it, in headers as Node gives them or as fetch does", async () => {
    const request = webhook()
    expect(await verifyWebhook(request, terms())).toEqual({event, repeated: false})
    const asFetch = {...request, headers: new Headers(request.headers as Record<string, string>)}
    expect(await verifyWebhook(asFetch, terms())).toEqual({event, repeated: false})
  })

  it('of anybody else, with another body, id, type or method, or without a signature is refused', async () => {
    const request = webhook()
    const headers = request.headers as Record<string, string>
    await refused(webhook(event, {key: generateKeyPair()}))
    await refused({...request, text: request.text.replace('Espresso', 'Espressi')})
    await refused({...request, method: 'PUT'})
    await refused({...request, headers: {...headers, 'idempotency-key': '"evt_32_1"'}})
    await refused({...request, headers: {...headers, 'content-type': 'text/plain'}})
    await refused({...request, headers: {...headers, signature: ''}})
    await refused({
      ...request,
      headers: {...headers, 'signature-input': headers['signature-input']?.replace('creo-webhook', 'creo-answer') ?? ''}
    })
  })

  it('for another org or of another network is refused, and so is one whose id is not that of its event', async () => {
    await refused(webhook(), {org: 'shop'})
    await refused(webhook(), {network: 'c'.repeat(64)})
    await refused(webhook(event, {id: 'evt_99_0'}))
  })

  it('that is signed, and of no form that is known, is refused', () => refused(webhook({...event, redemption: {id: 7}})))

  it('that is older than five minutes, or as far ahead, has expired', async () => {
    for (const nowMs of [NOW_MS - 301_000, NOW_MS + 301_000])
      await expect(verifyWebhook(webhook(event, {nowMs}), terms())).rejects.toMatchObject({code: 'expired'})
    expect(await verifyWebhook(webhook(event, {nowMs: NOW_MS - 299_000}), terms())).toMatchObject({repeated: false})
  })

  it('that was handled is told as repeated; of those that were remembered the oldest are forgotten', async () => {
    const handled = new RememberedEvents(2)
    handled.add(event.id)
    expect(await verifyWebhook(webhook(), terms({handled}))).toMatchObject({repeated: true})
    handled.add('evt_32_0')
    handled.add('evt_33_0')
    expect(await verifyWebhook(webhook(), terms({handled}))).toMatchObject({repeated: false})
  })
})
