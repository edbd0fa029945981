import {fastify} from 'fastify'
import {expect, it} from 'vitest'
import {RequestSignals} from '../../src/coordinator/http/request-signals.ts'
import type {RouteTools} from '../../src/coordinator/http/route.ts'
import {accountRoutes} from '../../src/coordinator/http/routes-accounts.ts'

const LATEST = 5
const ann = {id: `acc_${'a'.repeat(32)}`, name: 'ann', createdAtMs: 1, keys: [], invites: []}

/** Of a ledger whose projections have come further than it has been told. */
async function balancesOf(query: string): Promise<{readonly status: number; readonly asked: readonly number[]}> {
  const asked: number[] = []
  const reads = {
    account: () => ann,
    seqAt: () => LATEST + 2,
    balancesAt: ({seq}: {readonly seq: number}) => {
      asked.push(seq)
      return []
    }
  }
  const ledger = {sequence: LATEST, projected: async () => undefined, reads}
  const app = fastify()
  const tools = {ledger, signals: new RequestSignals(new AbortController().signal), addressOf: () => '127.0.0.1'} as unknown as RouteTools
  accountRoutes(app, tools)
  const {statusCode} = await app.inject({method: 'GET', url: `/v1/accounts/ann/balances?${query}`})
  await app.close()
  return {status: statusCode, asked}
}

it('tells what an account holds at a time up to now also while commands are being committed', async () => {
  expect(await balancesOf('atMs=1000')).toEqual({status: 200, asked: [LATEST]})
})

it('tells no balances after a command that is not committed', async () => {
  expect((await balancesOf(`seq=${LATEST}`)).asked).toEqual([LATEST])
  expect((await balancesOf(`seq=${LATEST + 1}`)).asked).toEqual([])
})
