import {expect, it} from 'vitest'
import {COMMANDS_PER_TURN, inTurns} from '../../src/coordinator/http/routes-commands.ts'

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
