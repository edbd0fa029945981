import {expect, it} from 'vitest'
import {z} from 'zod'
import {parsedOr} from '../../src/core/issue-words.ts'
import {commandBodySchema} from '../../src/core/protocol/commands.ts'

/** What is said of a value that a schema does not take. */
function said(schema: z.ZodType, value: unknown): string {
  try {
    parsedOr(schema, value, (wrong) => Object.assign(new Error(wrong), {code: 'invalid_input'}) as never)
    return 'nothing'
  } catch (error) {
    return String((error as Error).message)
  }
}

const letters = z.strictObject({name: z.string().min(2).max(5), colour: z.enum(['red', 'green']).optional()})

it.each<[string, z.ZodType, unknown, string]>([
  ['of another kind', z.object({lots: z.int()}), {lots: 'five'}, 'lots: must be a number, not text'],
  ['no whole number', z.object({lots: z.int()}), {lots: 2.5}, 'lots: must be a whole number, not 2.5'],
  ['no number in an address', z.object({limit: z.coerce.number()}), {limit: 'x'}, 'limit: must be a number'],
  ['left out', letters, {}, 'name: is missing'],
  ['all of another kind', letters, [], 'all of it: must be a set of keys, not a list'],
  ['empty', z.string(), null, 'all of it: must be text, not empty'],
  ['too short', letters, {name: 'a'}, 'name: must have at least 2 letters'],
  ['too long', letters, {name: 'abcdef'}, 'name: must have at most 5 letters'],
  ['of another length', z.array(z.int()).length(2), [1], 'all of it: must have exactly 2 entries'],
  ['at a bound that is not meant', z.number().gt(4), 4, 'all of it: must be above 4'],
  ['beyond a bound', z.int().max(9), 10, 'all of it: must be at most 9'],
  ['between the steps', z.int().multipleOf(5), 7, 'all of it: must be a multiple of 5'],
  ['no such word', letters, {name: 'abc', colour: 'gren'}, 'colour: must be red or green; did you mean "green"?'],
  ['an unknown key', letters, {name: 'abc', color: 'red'}, '"color" is not known here; did you mean "colour"?'],
  ['a key like no other', z.object({a: letters}), {a: {name: 'abc', x: 1}}, 'a: "x" is not known here; known are name, colour'],
  ['a misspelt key', letters, {nam: 'abc'}, '"nam" is not known here; did you mean "name"?'],
  ['a key of a wrong form', z.record(z.string().min(2), z.int()), {a: 1}, '"a" must have at least 2 letters'],
  ['no address', z.url(), 'x', 'all of it: must be an address such as https://example.org'],
  ['of a form without words', z.string().regex(/^a$/), 'b', 'all of it: must match /^a$/'],
  ['with another start', z.string().startsWith('rev_'), 'x', 'all of it: must start with rev_'],
  ['none of several kinds', z.union([z.string(), z.number()]), null, 'all of it: must be text or a number, not empty'],
  ['of the one form that it has in the large', z.union([z.literal('all'), letters]), {name: 5}, 'name: must be text, not a number'],
  ['none of several words', z.union([z.literal('a1'), z.enum(['b1', 'c1'])]), 'zzz', 'all of it: must be a1, or must be b1 or c1'],
  ['what must be left out', z.never(), 3, 'all of it: must be left out'],
  ['refused by words of its own', z.string().refine(() => false, 'is taken.'), 'x', 'all of it: is taken'],
  ['refused without words', z.string().refine(() => false), 'x', 'all of it: is not right'],
  [
    'a command that is none',
    commandBodySchema,
    {type: 'acount.create'},
    `type: must be one of ${commandBodySchema.options.length} known words; did you mean "account.create"?`
  ],
  ['a command of no type', commandBodySchema, {}, 'type: is missing'],
  [
    'wrong in many places',
    commandBodySchema,
    {type: 'order.place', side: 'by', lotz: 5},
    '"lotz" is not known here; did you mean "lots"?; incentive: is missing; side: must be buy or sell; did you mean "buy"?; and 3 more'
  ]
])('says in words what is wrong with a value that is %s', (_, schema, value, words) => {
  expect(said(schema, value)).toBe(words)
})

it('says no more than the start of a word that came', () => {
  expect(said(letters, {name: 'abc', ['x'.repeat(100_000)]: 1}).length).toBeLessThan(150)
})
