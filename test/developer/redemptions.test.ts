import {expect, test} from 'vitest'
import type {AccountContext} from '../../src/developer/context.ts'
import {endRedemption} from '../../src/developer/redemptions.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {newRedemptionCode} from '../../src/identity/redemption-codes.ts'

const NETWORK = '0a'.repeat(32)

test('a code that stands at several redemptions, as whoever copies what is public can make it, captures none of them', async () => {
  const {code, kept} = newRedemptionCode(generateKeyPair(), NETWORK)
  const redemption = (id: string) => ({id, codeSalt: kept.salt, codeHash: kept.hash})
  const held: Record<string, ReturnType<typeof redemption>[]> = {'colibris/LEAF': [redemption('red_31')], 'colibris/SEED': []}
  const sent: unknown[] = []
  const context = {
    networkId: NETWORK,
    account: {id: 'acc_1', name: 'colibris'},
    client: {
      incentives: async () => ({incentives: Object.keys(held).map((id) => ({id, org: 'acc_1'}))}),
      redemptions: async ({incentive}: {readonly incentive: string}) => ({redemptions: held[incentive]}),
      submit: async (body: unknown) => {
        sent.push(body)
        return {seq: 40}
      }
    }
  } as unknown as AccountContext
  const capture = () => endRedemption(context, code.toLowerCase(), {how: 'capture'}, new AbortController().signal)
  expect(await capture()).toEqual({redemption: 'red_31', seq: 40})
  held['colibris/SEED']?.push(redemption('red_38'))
  await expect(capture()).rejects.toMatchObject({code: 'conflict', message: expect.stringContaining('red_31, red_38')})
  expect(sent).toEqual([{type: 'redemption.capture', redemption: 'red_31'}])
})
