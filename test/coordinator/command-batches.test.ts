import {afterAll, beforeAll, expect, it, onTestFinished, vi} from 'vitest'
import {COMMANDS_PER_TURN, inTurns} from '../../src/coordinator/http/routes-commands.ts'
import {CreoError} from '../../src/core/errors.ts'
import {COMMAND_BATCH_MAX} from '../../src/core/protocol/commands.ts'
import {signCommands} from '../../src/identity/commands.ts'
import {SqliteLedger} from '../../src/ledger/sqlite-ledger.ts'
import {type Person, startWorld} from './coordinator-world.ts'

let world: Awaited<ReturnType<typeof startWorld>>
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

it('begins the commands of a batch in their order and lets other work in between', async () => {
  const begun: (number | string)[] = []
  const values = Array.from({length: COMMANDS_PER_TURN + 2}, (_, index) => index)
  setImmediate(() => begun.push('other work'))
  const answers = await inTurns(values, async (value) => {
    begun.push(value)
    return -value
  })
  expect(answers).toEqual(values.map((value) => -value))
  expect(begun).toEqual([...values.slice(0, COMMANDS_PER_TURN), 'other work', ...values.slice(COMMANDS_PER_TURN)])
})

it('fails as the first command that fails, also when that is before the others are begun', async () => {
  const values = Array.from({length: 2 * COMMANDS_PER_TURN}, (_, index) => index)
  const failing = inTurns(values, async (value) => {
    if (value < 2) throw new Error(`command ${value}`)
  })
  await expect(failing).rejects.toThrow('command 0')
})

it('answers each command on its own, whoever signed it and wherever its signature was checked', async () => {
  const {actors} = world
  const [org, ann] = [await actors.person('colibris'), await actors.person('ann')]
  const token = (by: Person, at: number) =>
    actors.command(by.id, by.key, {type: 'node.token', tokenHash: at.toString(16).padStart(64, '0'), expiresAtMs: Date.now() + 60_000})
  const commands = Array.from({length: 60}, (_none, at) => token(at % 2 === 0 ? org : ann, at + 1))
  const [first, second] = commands
  const forged = commands.map((command, at) =>
    at % 5 === 4 ? {...command, signature: (at % 2 === 0 ? first : second)?.signature} : command
  )
  const {json} = await actors.ask('POST', '/v1/commands', {body: {commands: [...forged, {v: 'creo-command-v1'}]}})
  const answers = (json as unknown as {answers: {status: string; error?: {code: string}}[]}).answers
  const expected = commands.map((_command, at) => (at % 5 === 4 ? 'bad_signature' : 'applied'))
  expect(answers.map(({status, error}) => error?.code ?? status)).toEqual([...expected, 'invalid_input'])
})

it('takes a batch under one signature, each command on its own: a forged one fails alone, and one that is sent again alone gets its first answer', async () => {
  const {actors} = world
  const org = await actors.person('tree')
  const terms = {network: actors.networkId, account: org.id, key: org.key, notAfterMs: Date.now() + 60_000}
  const bodyOf = (at: number) =>
    ({type: 'node.token', tokenHash: (1000 + at).toString(16).padStart(64, '0'), expiresAtMs: Date.now() + 60_000}) as const
  const commands = signCommands(
    terms,
    Array.from({length: 40}, (_none, at) => ({idempotencyKey: `token-${at}`, body: bodyOf(at)}))
  )
  const [first, second] = commands
  const sent = commands.map((command, at) => (at === 7 ? {...command, idempotencyKey: 'token-else'} : command))
  const answersTo = async (some: readonly unknown[]): Promise<{status: string; seq?: number; error?: {code: string}}[]> =>
    ((await actors.ask('POST', '/v1/commands', {body: {commands: some}})).json as {answers: never}).answers
  const answers = await answersTo([...sent, {...second, batch: {...second?.batch, path: []}}])
  const expected = commands.map((_command, at) => (at === 7 ? 'bad_signature' : 'applied'))
  expect(answers.map(({status, error}) => error?.code ?? status)).toEqual([...expected, 'bad_signature'])
  expect(await answersTo([first, commands[7]])).toEqual([answers[0], expect.objectContaining({status: 'applied'})])
})

it('says 503 and when to ask again where too many wait for the disk, and answers of a batch those that were taken', async () => {
  const {actors} = world
  const submit = vi.spyOn(SqliteLedger.prototype, 'submit')
  onTestFinished(() => submit.mockRestore())
  const org = await actors.person('bolt')
  const commands = Array.from({length: 3}, () => actors.command(org.id, org.key, {type: 'order.cancel', order: 'ord_1'}))
  const post = () => actors.ask('POST', '/v1/commands', {body: {commands}})
  const full = new CreoError('overloaded', '10000 commands wait for the disk.', {hint: 'Try again in a second.'})
  for (const _ of commands) submit.mockRejectedValueOnce(full)
  const refused = await post()
  expect([refused.status, refused.headers.get('retry-after'), refused.json.error]).toEqual([503, '1', JSON.parse(JSON.stringify(full))])
  submit.mockRejectedValueOnce(full)
  const some = await post()
  expect(some.status).toBe(200)
  expect(some.json.answers).toMatchObject([{status: 'error', error: {code: 'overloaded'}}, {status: 'rejected'}, {status: 'rejected'}])
})

it('takes a thousand commands under one signature, and answers each', async () => {
  const {actors} = world
  const org = await actors.person('acme')
  const terms = {network: actors.networkId, account: org.id, key: org.key, notAfterMs: Date.now() + 60_000}
  const body = {type: 'order.cancel', order: 'ord_1'} as const
  const batch = signCommands(
    terms,
    Array.from({length: COMMAND_BATCH_MAX}, (_none, at) => ({idempotencyKey: `cancel-${at}`, body}))
  )
  const {json} = await actors.ask('POST', '/v1/commands', {body: {commands: batch}})
  const {answers} = json as unknown as {answers: {status: string; seq: number}[]}
  expect(answers.map(({status, seq}) => [status, seq - (answers[0]?.seq ?? 0)])).toEqual(batch.map((_, at) => ['rejected', at]))
  expect((await actors.ask('POST', '/v1/commands', {body: {commands: [...batch, batch[0]]}})).status).toBe(400)
})
