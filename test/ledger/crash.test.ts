import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import type {CommandAnswer, SignedCommand} from '../../src/core/protocol/commands.ts'
import {saveKeyFile} from '../../src/identity/keys.ts'
import {verifyLedger} from '../../src/ledger/verify.ts'
import {LedgerWorld} from './ledger-world.ts'
import {orderOf} from './orders.ts'

/** Each ledger is killed so many times in a row, and what it has grown to is checked whole each time. */
const [LEDGERS, KILLS_EACH] = (process.env.CREO_TEST_TIER ?? 'short') === 'short' ? [1, 4] : [5, 10]
const PROCESS = fileURLToPath(new URL('./trading-process.ts', import.meta.url))

interface Acknowledged {
  readonly command: SignedCommand
  readonly answer: CommandAnswer
}

let world: LedgerWorld

beforeEach(async () => {
  world = await LedgerWorld.make()
  await world.settle()
  await world.must('acme', orderOf('sell', 20_000, 10))
  await world.must('ann', orderOf('buy', 10_000, 10))
  await world.must('bob', orderOf('buy', 10_000, 10))
  for (const name of ['ann', 'bob']) await saveKeyFile(join(world.directory, `${name}.key`), world.key(name))
  await world.close()
})

afterEach(async () => {
  await world.remove()
})

/** Starts a trading process, in a shell that limits what it may do if `limits` are given. */
function start(round: number, limits = ''): ChildProcess {
  const args = [
    PROCESS,
    world.directory,
    String(round),
    String(world.nowMs),
    world.accounts.get('ann') ?? '',
    world.accounts.get('bob') ?? ''
  ]
  const script = `${limits}exec "$0" "$@"`
  return spawn('/bin/sh', ['-c', script, process.execPath, ...args], {stdio: ['ignore', 'pipe', 'inherit']})
}

/** What a process said it was answered, until it was killed after `killAfter` answers or ended by itself. */
async function trade(
  round: number,
  {killAfter, limits}: {killAfter: number; limits?: string}
): Promise<{answers: Acknowledged[]; failed?: string[]}> {
  const child = start(round, limits)
  const ended = once(child, 'close')
  const answers: Acknowledged[] = []
  let failed: string[] | undefined
  if (child.stdout === null) throw new Error('A child without stdout.')
  for await (const line of createInterface({input: child.stdout})) {
    if (!line.endsWith('}')) continue
    const said = JSON.parse(line) as Acknowledged & {failed?: string[]}
    if (said.failed !== undefined) failed = said.failed
    else answers.push(said)
    if (answers.length === killAfter) child.kill('SIGKILL')
  }
  await ended
  return failed === undefined ? {answers} : {answers, failed}
}

/** Opens what a process left behind and asks for every acknowledged answer again. */
async function expectNothingLost(answers: readonly Acknowledged[]): Promise<void> {
  expect(await verifyLedger({directory: world.directory, signatures: false, signal: world.signal})).toMatchObject({holds: true})
  await world.open()
  expect(world.ledger.sequence).toBeGreaterThanOrEqual(Math.max(...answers.map(({answer}) => answer.seq)))
  const before = world.ledger.sequence
  for (const {command, answer} of answers) expect(await world.submit(command)).toEqual(answer)
  expect(world.ledger.sequence).toBe(before)
  await world.close()
}

describe('a ledger whose process is killed', () => {
  it.each(Array.from({length: LEDGERS}, (_, index) => index * KILLS_EACH))(
    'has lost nothing that it answered, and replays to the same balances each time (from round %i)',
    async (first) => {
      for (let round = first; round < first + KILLS_EACH; round += 1) {
        const {answers} = await trade(round, {killAfter: 60 + 97 * (round % 5)})
        expect(answers.length).toBeGreaterThanOrEqual(60)
        expect(answers.some(({answer}) => answer.status === 'applied')).toBe(true)
        await expectNothingLost(answers)
      }
      expect(await verifyLedger({directory: world.directory, signatures: true, signal: world.signal})).toMatchObject({holds: true})
    }
  )
})

describe('a ledger whose disk takes no more', () => {
  it('refuses everything from the first failed write on, and has kept what it answered', async () => {
    const {answers, failed} = await trade(0, {killAfter: Number.POSITIVE_INFINITY, limits: 'ulimit -f 3000; '})
    expect(failed).toEqual(['unavailable', 'unavailable', 'unavailable'])
    expect(answers.length).toBeGreaterThan(0)
    await expectNothingLost(answers)
  })
})
