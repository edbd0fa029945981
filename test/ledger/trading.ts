import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {expect} from 'vitest'
import type {CommandAnswer, SignedCommand} from '../../src/core/protocol/commands.ts'
import {saveKeyFile} from '../../src/identity/keys.ts'
import {type Verification, verifyLedger} from '../../src/ledger/verify.ts'
import {LedgerWorld} from './ledger-world.ts'
import {NUT, orderOf} from './orders.ts'

const PROCESS = fileURLToPath(new URL('./trading-process.ts', import.meta.url))

export interface Acknowledged {
  readonly command: SignedCommand
  readonly answer: CommandAnswer
}

/** A closed ledger in which ann and bob have much of everything, with their keys beside it. */
export async function tradingWorld(): Promise<LedgerWorld> {
  const world = await LedgerWorld.make({protection: PROTECTION})
  await world.settle()
  const firstOffer = {item: 'a nut', priceMinor: 1, stock: 5, where: 'in-app'} as const
  const terms = {name: 'Nut', decimals: 0, lotMinor: 1, supplyMinor: 100_000, captured: 'burn', transferable: false, firstOffer} as const
  await world.must('acme', {
    type: 'incentive.issue',
    code: 'NUT',
    ...terms,
    tradeVolumeLimitMicroGutta: 1_000_000_000,
    ownerSharePermille: 900
  })
  await open(world)
  for (const order of [orderOf('sell', 20_000, 10), {...orderOf('sell', 20_000, 10), incentive: NUT}]) {
    await world.must('acme', order)
    for (const name of ['ann', 'bob']) await world.must(name, {...order, side: 'buy', lots: 10_000})
  }
  await open(world)
  const [offer] = world.ledger.reads.offers({incentive: NUT, limit: 1})
  await writeFile(join(world.directory, 'offer'), offer?.id ?? '')
  for (const name of ['coordinator', 'ann', 'bob', 'acme']) await saveKeyFile(join(world.directory, `${name}.key`), world.key(name))
  await world.close()
  return world
}

/** So narrow that what is traded now and then breaches it, and short enough to end while a process trades. */
const PROTECTION = {openingMs: 1000, auctionMs: 1000, dynamicPpm: 20_000}

/** Ends the auctions that both markets are in. */
async function open(world: LedgerWorld): Promise<void> {
  world.nowMs += PROTECTION.openingMs
  while ((await world.must('coordinator', {type: 'time.advance'})).more === true);
}

export interface TradeOptions {
  readonly round: number
  readonly killAfter: number
  /** What a shell does first, to limit what the process may do. */
  readonly limits?: string
  readonly env?: Readonly<Record<string, string>>
}

/** What a trading process said it was answered, until it was killed after `killAfter` answers or ended by itself. */
export async function trade(world: LedgerWorld, options: TradeOptions): Promise<{answers: Acknowledged[]; failed?: string[]}> {
  const child = start(world, options)
  const ended = once(child, 'close')
  const answers: Acknowledged[] = []
  let failed: string[] | undefined
  if (child.stdout === null) throw new Error('A child without stdout.')
  for await (const line of createInterface({input: child.stdout})) {
    if (!line.endsWith('}')) continue
    const said = JSON.parse(line) as Acknowledged & {failed?: string[]}
    if (said.failed !== undefined) failed = said.failed
    else answers.push(said)
    if (answers.length === options.killAfter) child.kill('SIGKILL')
  }
  await ended
  return failed === undefined ? {answers} : {answers, failed}
}

function start(world: LedgerWorld, {round, limits = '', env = {}}: TradeOptions): ChildProcess {
  const accounts = ['ann', 'bob', 'acme'].map((name) => world.accounts.get(name) ?? '')
  const args = [PROCESS, world.directory, String(round), String(world.nowMs), ...accounts]
  return spawn('/bin/sh', ['-c', `${limits}exec "$0" "$@"`, process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {...process.env, ...env}
  })
}

/** Verifies what a process left behind, opens it, and asks for every acknowledged answer again. */
export async function expectNothingLost(world: LedgerWorld, answers: readonly Acknowledged[]): Promise<Verification> {
  const verified = await verifyLedger({directory: world.directory, signatures: false, signal: world.signal})
  expect(verified).toMatchObject({holds: true, snapshot: expect.not.stringMatching('unusable')})
  await world.open()
  expect(world.ledger.sequence).toBeGreaterThanOrEqual(Math.max(...answers.map(({answer}) => answer.seq)))
  const before = world.ledger.sequence
  for (const {command, answer} of answers) expect(await world.submit(command)).toEqual(answer)
  expect(world.ledger.sequence).toBe(before)
  await world.close()
  return verified
}
