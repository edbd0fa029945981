import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {signCommand} from '../../src/identity/commands.ts'
import {loadKeyFile, sha256Hex} from '../../src/identity/keys.ts'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import {orderOf} from './orders.ts'

/**
 * A process of its own that trades with itself until it is killed or its ledger fails: `node trading-process.ts DIRECTORY ROUND NOW_MS ANN BOB`.
 * Writes one line for each answer, after it was given: {"command", "answer"}. After a failure {"failed": codes of three more submits}.
 */
const [directory = '', round = '', nowMs = '', ...accounts] = process.argv.slice(2)
const IN_FLIGHT = 40

const {signal} = new AbortController()
const genesisText = readFileSync(join(directory, 'genesis.json'), 'utf8')
const keys = await Promise.all(['ann', 'bob'].map((name) => loadKeyFile(join(directory, `${name}.key`))))
const ledger = await openLedger({
  directory,
  genesisText,
  now: () => Number(nowMs),
  signal,
  digestPace: {everyGroups: 20, everyCommands: 1000, restPerPass: 0}
})
let isRunning = true
let next = 0

async function trade(): Promise<void> {
  next += 1
  const number = next
  const [account, key] = [accounts[number % 2] ?? '', keys[number % 2]]
  if (key === undefined) return
  const body = orderOf(number % 2 === 0 ? 'buy' : 'sell', 1 + (number % 3), 100 + (number % 5))
  const idempotencyKey = `r${round}-${number}`
  const command = signCommand({network: sha256Hex(genesisText), account, key, idempotencyKey, notAfterMs: Number(nowMs) + 60_000, body})
  const answer = await ledger.submit(command, signal)
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
