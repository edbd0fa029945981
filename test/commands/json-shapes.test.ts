import {readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {Config} from '@oclif/core'
import {expect, it} from 'vitest'
import {z} from 'zod'
import {ANSWERS, checkJson, ERROR, LINES} from '../support/json-shapes/json-shapes.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const DOCS = readFileSync(new URL('../../docs/JSON.md', import.meta.url), 'utf8')

/** By command, what docs/JSON.md says of it. */
const SECTIONS = new Map(
  DOCS.slice(DOCS.indexOf('## Commands'))
    .split('\n### ')
    .map((section) => {
      const [name = '', ...text] = section.split('\n')
      return [name, text.join('\n')] as const
    })
)

it('has a shape for every command that takes --json, and a section in docs/JSON.md', async () => {
  const config = await Config.load(ROOT)
  const own = config.commands.filter(({pluginName, enableJsonFlag}) => pluginName === 'creo' && enableJsonFlag)
  const names = own.map(({id}) => id.replaceAll(':', ' ')).sort()
  expect(Object.keys(ANSWERS).sort()).toEqual(names)
  expect(names.filter((name) => !SECTIONS.has(name))).toEqual([])
})

it.each(Object.keys(ANSWERS))('pins what %s answers', (name) => {
  expect(schemaOf(ANSWERS[name] ?? z.never())).toMatchSnapshot()
})

it.each(Object.keys(LINES))('pins the lines that %s writes meanwhile', (name) => {
  expect(schemaOf(LINES[name] ?? z.never())).toMatchSnapshot()
})

it('pins what an error is', () => {
  expect(schemaOf(ERROR)).toMatchSnapshot()
})

it.each(Object.keys(ANSWERS))('names every field of %s in docs/JSON.md', (name) => {
  const text = wordsOf(name, 0)
  expect(fieldsOf(schemaOf(ANSWERS[name] ?? z.never())).filter((field) => !text.includes(`\`${field}\``))).toEqual([])
})

it.each([
  ['a field more', {app: 'colibris/shop', address: 'http://x/', opened: true, extra: 1}],
  ['a field less', {app: 'colibris/shop', address: 'http://x/'}],
  ['an error without a code', {error: {message: 'No.'}}],
  ['a code that there is not', {error: {code: 'wat', message: 'No.'}}]
])('refuses %s', (_, printed) => {
  expect(() => checkJson(['open', '--json'], JSON.stringify(printed, null, 2))).toThrow(/creo open --json is not what its shape says/)
})

it('takes the lines of a stream one by one, and the object at its end', () => {
  const ready = {ready: true, role: 'coordinator', pid: 7, networkId: 'x', urls: {api: 'http://x'}}
  const end = JSON.stringify({stopped: true, role: 'coordinator'}, null, 2)
  const args = ['coordinator', 'serve', '--json']
  checkJson(args, `${JSON.stringify(ready)}\n${end}\n`)
  expect(() => checkJson(args, `${JSON.stringify({...ready, pid: 'x'})}\n${end}\n`)).toThrow(/pid/)
})

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}

function schemaOf(shape: z.ZodType): Schema {
  const {$schema: _, ...schema} = z.toJSONSchema(shape)
  return schema as Schema
}

function fieldsOf({properties = {}, items, anyOf = []}: Schema): string[] {
  const below = [...Object.values(properties), ...(items === undefined ? [] : [items]), ...anyOf]
  return [...new Set([...Object.keys(properties), ...below.flatMap(fieldsOf)])]
}

/** A section, and those of the commands that it refers to. */
function wordsOf(name: string, depth: number): string {
  const text = SECTIONS.get(name) ?? ''
  const others = [...SECTIONS.keys()].filter((other) => other !== name && text.includes(`\`${other}\``))
  return depth === 2 ? text : [text, ...others.map((other) => wordsOf(other, depth + 1))].join('\n')
}
