import {expect, it} from 'vitest'
import {cronProblem} from '../../src/core/cron.ts'

it.each(['* * * * *', '*/15 * * * *', '0 6 * * mon-fri', '0,30 8-18/2 1,15 JAN-jun 0', '59 23 31 12 7', '  5   4 * *   sun '])(
  'takes "%s" for a schedule',
  (line) => {
    expect(cronProblem(line)).toBeUndefined()
  }
)

it.each([
  ['', 'must be five fields such as "*/15 * * * *" (minute, hour, day, month, weekday), not 0'],
  ['@daily', 'must be five fields such as "*/15 * * * *" (minute, hour, day, month, weekday), not 1'],
  ['0 0 * * * *', 'must be five fields such as "*/15 * * * *" (minute, hour, day, month, weekday), not 6'],
  ['60 * * * *', '"60" is not a minute: write 0 to 59, *, a range a-b, or a step */n'],
  ['* 24 * * *', '"24" is not an hour: write 0 to 23, *, a range a-b, or a step */n'],
  ['* * 0 * *', '"0" is not a day of the month: write 1 to 31, *, a range a-b, or a step */n'],
  ['* * * 13 *', '"13" is not a month: write 1 to 12, *, a range a-b, or a step */n'],
  ['* * * foo *', '"foo" is not a month: write 1 to 12, *, a range a-b, or a step */n'],
  ['* * * * 8', '"8" is not a day of the week: write 0 to 7, *, a range a-b, or a step */n'],
  ['30-10 * * * *', '"30-10" is not a minute: write 0 to 59, *, a range a-b, or a step */n'],
  ['*/0 * * * *', '"*/0" is not a minute: write 0 to 59, *, a range a-b, or a step */n'],
  ['5/2 * * * *', '"5/2" is not a minute: write 0 to 59, *, a range a-b, or a step */n'],
  ['1,,2 * * * *', '"" is not a minute: write 0 to 59, *, a range a-b, or a step */n'],
  ['1-2-3 * * * *', '"1-2-3" is not a minute: write 0 to 59, *, a range a-b, or a step */n'],
  ['* * * - *', '"-" is not a month: write 1 to 12, *, a range a-b, or a step */n']
])('says what is wrong with "%s"', (line, problem) => {
  expect(cronProblem(line)).toBe(problem)
})
