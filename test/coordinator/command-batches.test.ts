import {expect, it} from 'vitest'
import {COMMANDS_PER_TURN, inTurns} from '../../src/coordinator/http/routes-commands.ts'
import {signCommands} from '../../src/identity/commands.ts'
import {type Person, startWorld} from './coordinator-world.ts'

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
  const world = await startWorld()
  try {
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
  } finally {
    await world.close()
  }
})

it('takes a batch under one signature, each command on its own: a forged one fails alone, and one that is sent again alone gets its first answer', async () => {
  const world = await startWorld()
  try {
    const {actors} = world
    const org = await actors.person('colibris')
    const terms = {network: actors.networkId, account: org.id, key: org.key, notAfterMs: Date.now() + 60_000}
    const bodyOf = (at: number) =>
      ({type: 'node.token', tokenHash: at.toString(16).padStart(64, '0'), expiresAtMs: Date.now() + 60_000}) as const
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
  } finally {
    await world.close()
  }
})
