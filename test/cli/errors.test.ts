import {expect, test} from 'vitest'
import {errorBlock, errorJson, exitCodeOf, toCreoError} from '../../src/cli/error-words.ts'
import {CreoError, ERROR_CODES} from '../../src/core/errors.ts'
import {creo} from '../support/processes.ts'

const context = {commandLine: 'creo trade buy', interrupted: false}
const OLD_NODE = `data:text/javascript,${encodeURIComponent('Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.1.0"}})')}`

test('an error is said as what happened, its code, and one thing to do', () => {
  const error = new CreoError('unavailable', 'No coordinator answers at http://127.0.0.1:7700.', {hint: 'creo coordinator serve'})
  expect(errorBlock(error, {debug: false})).toBe(
    ' ›   Error: No coordinator answers at http://127.0.0.1:7700.\n ›   Code: unavailable\n ›   Try this: creo coordinator serve\n'
  )
})

test('on a narrow terminal the block is wrapped between words', () => {
  const block = errorBlock(new CreoError('failed', 'one two three four five six seven eight nine'), {width: 30, debug: false})
  expect(block.split('\n').every((line) => line.length <= 30)).toBe(true)
  expect(block.replaceAll(/\n ›\s+/g, ' ')).toContain('one two three four five six seven eight nine')
})

test.each([
  [Object.assign(new Error('listen EADDRINUSE 127.0.0.1:7700'), {code: 'EADDRINUSE'}), 'port_taken', 1],
  [Object.assign(new Error('permission denied'), {code: 'EACCES'}), 'data_dir_unwritable', 1],
  [Object.assign(new Error('database or disk is full'), {code: 'SQLITE_FULL'}), 'data_dir_unwritable', 1],
  [Object.assign(new Error('disk quota exceeded, write'), {code: 'EDQUOT'}), 'data_dir_unwritable', 1],
  [new Error('request failed', {cause: Object.assign(new Error('connect'), {code: 'ECONNREFUSED'})}), 'unavailable', 5],
  [new Error('Parsing --price \n\tnot a number\nSee more help with --help'), 'usage', 2],
  [new TypeError('x is not a function'), 'internal', 1],
  ['a thrown string', 'internal', 1]
] as const)('%s leaves as %s with exit code %i', (thrown, code, exit) => {
  const error = toCreoError(thrown, context)
  expect({code: error.code, exit: exitCodeOf(error)}).toEqual({code, exit})
})

test("a flag's own parser keeps its code and hint, and names the flag", () => {
  const thrown = new CreoError('invalid_input', 'Parsing --price \n\t"x" is not an amount.\nSee more help with --help', {
    hint: 'Write digits.'
  })
  expect(errorJson(toCreoError(thrown, context))).toEqual({
    error: {code: 'invalid_input', message: '--price: "x" is not an amount.', hint: 'Write digits.'}
  })
})

test('an abort is an interruption only after the user interrupted', () => {
  const abort = new DOMException('This operation was aborted', 'AbortError')
  expect(toCreoError(abort, {...context, interrupted: true}).code).toBe('interrupted')
  expect(toCreoError(abort, context).code).toBe('internal')
})

test('exit codes follow the promise: 1 failed, 2 usage, 3 refused, 4 not found, 5 unavailable, 6 still running, 130 interrupted', () => {
  expect(new Set(Object.values(ERROR_CODES).map(({exit}) => exit))).toEqual(new Set([1, 2, 3, 4, 5, 6, 130]))
})

test('a flag that does not exist is a usage error with exit code 2, on stderr alone', async () => {
  expect(await creo(['doctor', '--bogus'])).toEqual({
    code: 2,
    stdout: '',
    stderr: ' ›   Error: Nonexistent flag: --bogus.\n ›   Code: usage\n ›   Try this: creo doctor --help\n'
  })
})

test('under --json the error is one object on stdout', async () => {
  const {code, stdout, stderr} = await creo(['doctor', '--bogus', '--json'])
  expect({code, stderr}).toEqual({code: 2, stderr: ''})
  expect(JSON.parse(stdout)).toEqual({error: {code: 'usage', message: 'Nonexistent flag: --bogus.', hint: 'creo doctor --help'}})
})

test('a command that does not exist is a usage error with exit code 2', async () => {
  const {code, stdout} = await creo(['teleport', '--json'])
  expect(code).toBe(2)
  expect(JSON.parse(stdout)).toEqual({error: {code: 'usage', message: 'creo has no command "teleport".', hint: 'creo help'}})
})

test.each([
  [['depoly', 'shop'], 'creo has no command "depoly shop".', 'Did you mean creo deploy?'],
  [['trade', 'bye', 'colibris/LEAF'], 'creo has no command "trade bye colibris/LEAF".', 'Did you mean creo trade buy?'],
  [['help', 'depoly'], 'creo has no command "depoly".', 'Did you mean creo deploy?'],
  [['network', 'list', 'home'], 'creo network list takes no argument "home".', 'creo network list --help']
])('off a terminal %j is one error, which says what was probably meant', async (args, message, hint) => {
  const stderr = ` ›   Error: ${message}\n ›   Code: usage\n ›   Try this: ${hint}\n`
  expect(await creo(args)).toEqual({code: 2, stdout: '', stderr})
})

test('an old Node is refused in one sentence before anything is loaded', async () => {
  const env = {...process.env, NODE_OPTIONS: `--import=${OLD_NODE}`}
  const {code, stdout, stderr} = await creo(['doctor', '--json'], {env})
  expect({code, stderr}).toEqual({code: 2, stderr: ''})
  expect(JSON.parse(stdout)).toMatchObject({error: {code: 'node_too_old', message: expect.stringContaining('this is 20.1.0')}})
})

test('the version is said without loading any command', async () => {
  const {code, stdout} = await creo(['--version'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^creo\/\d+\.\d+\.\d+ \w+-\w+ node-v\d+\.\d+\.\d+\n$/)
})
