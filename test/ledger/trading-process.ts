import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {signCommand} from '../../src/identity/commands.ts'
import {loadKeyFile, sha256Hex} from '../../src/identity/keys.ts'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import {NUT, orderOf} from './orders.ts'

/**
 * A process of its own that trades with itself in two markets, by every command that there is for it and with auctions now and then, and redeems what is offered at terms that change, until it is killed or its ledger fails: `node trading-process.ts DIRECTORY ROUND NOW_MS ANN BOB ACME`.
 * Writes one line for each answer, after it was given: {"command", "answer"}. After a failure {"failed": codes of three more submits}.
 */
const [directory = '', round = '', nowMs = '', ...accounts] = process.argv.slice(2)
const IN_FLIGHT = 40
const ADVANCED_EVERY = 21
const EDITED_EVERY = 25
/** Who holds no trader's key. */
const ISSUER = 2

/** The clock goes on with what was traded, so that auctions end. */
const STEP_MS = 25
const ROUND_MS = 20_000
const startMs = Number(nowMs) + Number(round) * ROUND_MS
let next = 0

const {signal} = new AbortController()
const offer = readFileSync(join(directory, 'offer'), 'utf8')
const genesisText = readFileSync(join(directory, 'genesis.json'), 'utf8')
const keys = await Promise.all(['ann', 'bob', 'acme'].map((name) => loadKeyFile(join(directory, `${name}.key`))))
const coordinatorKey = await loadKeyFile(join(directory, 'coordinator.key'))
const ledger = await openLedger({
  directory,
  genesisText,
  now: () => startMs + next * STEP_MS,
  signal,
  digestPace: {everyGroups: 20, everyCommands: 1000, restPerPass: 0}
})
let isRunning = true

/** The last order that each of the two has placed. */
const lastOrders = ['ord_1', 'ord_1']

/** Each buys what the other sells: LEAF in one direction and NUT in the other, so that both can swap. */
function bodyOf(number: number): CommandBody {
  const isAnn = number % 2 === 0
  const order = orderOf(isAnn ? 'buy' : 'sell', 1 + (number % 3), 100 + (number % 5))
  const turn = Math.floor(number / 2) % 16
  const [from, to] = isAnn ? [NUT, order.incentive] : [order.incentive, NUT]
  if (turn === 5) return {type: 'redemption.request', offer, quantity: 1, priceAtMostMinor: 3}
  if (turn % 4 === 1) return {...order, incentive: NUT, side: isAnn ? 'sell' : 'buy'}
  if (turn % 4 === 2)
    return {type: 'swap', from, to, exact: turn < 8 ? 'send' : 'receive', sendLots: 2, receiveLots: 1, selfTrade: 'cancel-oldest'}
  if (turn === 7 || turn === 11) return {type: 'order.replace', order: lastOrders[number % 2] ?? '', lots: 4, selfTrade: 'cancel-oldest'}
  if (turn === 3)
    return {type: 'account.transfer', to: accounts[isAnn ? 1 : 0] ?? '', asset: 'gutta', amountMinor: 1 + number, memo: `payment ${number}`}
  if (turn === 15) return {type: 'orders.cancel', incentive: order.incentive}
  return order
}

/** Now dearer than anybody pays, now with little stock. */
function editOf(number: number): CommandBody {
  return {type: 'offer.edit', offer, priceMinor: 1 + (number % 4), stock: number % 7, stopped: number % 3 === 0}
}

async function trade(): Promise<void> {
  next += 1
  const number = next
  const isTime = number % ADVANCED_EVERY === 0
  const isEdit = !isTime && number % EDITED_EVERY === 0
  const who = isEdit ? ISSUER : number % 2
  const [account, key] = isTime ? ['coordinator', coordinatorKey] : [accounts[who] ?? '', keys[who]]
  if (key === undefined) return
  const body: CommandBody = isTime ? {type: 'time.advance'} : isEdit ? editOf(number) : bodyOf(number)
  const idempotencyKey = `r${round}-${number}`
  const command = signCommand({network: sha256Hex(genesisText), account, key, idempotencyKey, notAfterMs: startMs + 60_000, body})
  const answer = await ledger.submit(command, signal)
  if (body.type === 'order.place' && answer.status === 'applied') lastOrders[number % 2] = `ord_${answer.seq}`
  process.stdout.write(`${JSON.stringify({command, answer})}\n`)
}

async function keepTrading(): Promise<void> {
  while (isRunning) {
    await trade().catch(() => {
      isRunning = false
    })
  }
}

await Promise.all(Array.from({length: IN_FLIGHT}, keepTrading))
const refusals = await Promise.allSettled([trade(), trade(), trade()])
const codes = refusals.map((refusal) => (refusal.status === 'rejected' ? (refusal.reason as {code: string}).code : 'answered'))
process.stdout.write(`${JSON.stringify({failed: codes})}\n`)
await ledger.close()
