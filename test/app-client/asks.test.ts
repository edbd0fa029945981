import {expect, it} from 'vitest'
import {type AppAsk, answerHref, answerOfAsk, askHref, readAsk} from '../../src/app-client/asks.ts'

const state = 'a1b2c3d4-e5f6-4711-8a9b-0c1d2e3f4a5b'
const back = 'https://shop.example.org/counter/'
const redeem: AppAsk = {ask: 'redeem', state, back, incentive: 'colibris/LEAF', offer: 'off_12', quantity: 2}
const challenge = {network: 'a'.repeat(64), origin: 'https://shop.example.org', nonce: 'n.m', expiresAtMs: 7}
const encoded = (ask: object): string => Buffer.from(JSON.stringify(ask)).toString('base64url')
const refused = (ask: object) => expect(() => readAsk(encoded(ask))).toThrow(expect.objectContaining({code: 'invalid_input'}))

it('an ask travels in the fragment, and its answer comes back to who asked', () => {
  const href = askHref('https://exchange.example.org/#/swap', redeem)
  expect(href).toMatch(/^https:\/\/exchange\.example\.org\/#\/for-app\/[A-Za-z0-9_-]+$/)
  expect(readAsk(href.split('/for-app/')[1] ?? '')).toEqual({ask: redeem, origin: 'https://shop.example.org'})
  const answer = new URL(answerHref(redeem, {redemption: 'red_31'}))
  expect(answer.href.startsWith(`${back}#creo=`)).toBe(true)
  expect(answerOfAsk(answer.hash, state)).toEqual({redemption: 'red_31'})
  expect(answerOfAsk(new URL(answerHref(redeem, null)).hash, state)).toBeNull()
})

it('an answer to what this page did not ask is refused; an address without one has none', () => {
  const {hash} = new URL(answerHref(redeem, {redemption: 'red_31'}))
  for (const other of [undefined, `${state}x`])
    expect(() => answerOfAsk(hash, other)).toThrow(expect.objectContaining({code: 'invalid_input'}))
  expect(() => answerOfAsk('#creo=%%%', state)).toThrow(expect.objectContaining({code: 'invalid_input'}))
  expect(answerOfAsk('#/offers', state)).toBeUndefined()
})

it('nothing is asked whose answer would run as a script, go elsewhere than the sign-in holds, or that is no ask', () => {
  expect(readAsk(encoded({ask: 'sign-in', state, back, challenge})).origin).toBe('https://shop.example.org')
  for (const to of ['javascript:alert(1)//', 'data:text/html,x', 'shop', 'https://a:b@shop.example.org/', `${back}#x`])
    refused({...redeem, back: to})
  refused({ask: 'sign-in', state, back: 'https://evil.example.org/', challenge})
  refused({...redeem, quantity: 0})
  refused({...redeem, offer: 'off_0'})
  refused({...redeem, state: 'short'})
  refused({...redeem, more: true})
  refused({ask: 'order', state, back})
  for (const text of ['', '!', encoded([]), 'a'.repeat(5000)])
    expect(() => readAsk(text)).toThrow(expect.objectContaining({code: 'invalid_input'}))
})
