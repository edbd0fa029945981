import {readdirSync, readFileSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath, pathToFileURL} from 'node:url'
import type {Command} from '@oclif/core'
import {expect, test} from 'vitest'
import {ERROR_CODES} from '../../src/core/errors.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** `src/x/y.ts`, `docs/` or `src/x/y.ts#name`; a placeholder such as `<topic>` or `*` makes it no path. */
const REPOSITORY_PATH = /`((?:apps|bench|bin|docs|examples|packaging|plugins|src|test)\/[\w./-]*)(?:#(\w+))?`/g

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

test.each(['docs/ARCHITECTURE.md', 'docs/adr'])('every path that %s names exists, with the name that it is said to hold', (document) => {
  const named = [...textOf(document).matchAll(REPOSITORY_PATH)].map(([, path = '', name]) => ({path, name}))
  expect(named).not.toEqual([])
  expect(named.filter(({path, name}) => !holds(path, name))).toEqual([])
})

test.each(['README.md', 'CHANGELOG.md', 'docs/ARCHITECTURE.md', 'docs/TASKS.md'])(
  'every creo command in the code of %s is one, with its flags',
  async (document) => {
    const lines = creoLines(read(document))
    const wrong: string[] = []
    for (const line of lines) if (!(await isRight(line))) wrong.push(line)
    expect(lines).not.toEqual([])
    expect(wrong).toEqual([])
  }
)

test('docs/JSON.md has a section for every command, in order', () => {
  const sections = [...read('docs/JSON.md').matchAll(/^### (.+)$/gm)].map(([, name]) => name)
  expect(sections).toEqual([...commands].sort())
})

test('docs/JSON.md has every error code with its exit code and its HTTP status', () => {
  const rows = [...read('docs/JSON.md').matchAll(/^\| `(\w+)` \| (\d+) \| (\d+) \|/gm)]
  const table = Object.fromEntries(rows.map(([, code, exit, http]) => [code, {exit: Number(exit), http: Number(http)}]))
  expect(table).toEqual(ERROR_CODES)
})

const commands: ReadonlySet<string> = new Set(
  readdirSync(join(ROOT, 'src/commands'), {recursive: true, encoding: 'utf8'})
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length).replaceAll('/', ' '))
)

function textOf(document: string): string {
  if (statSync(join(ROOT, document)).isFile()) return read(document)
  const files = readdirSync(join(ROOT, document))
  return files.map((file) => read(join(document, file))).join('\n')
}

function holds(path: string, name: string | undefined): boolean {
  const found = statSync(join(ROOT, path), {throwIfNoEntry: false})
  if (found === undefined) return false
  return name === undefined || (found.isFile() && new RegExp(`\\b${name}\\b`).test(read(path)))
}

/** What stands after `creo` in code: one entry a command line, joined where it goes on after a backslash, without its comment. */
function creoLines(text: string): string[] {
  const fences = [...text.matchAll(/^```\n(.*?)^```$/gms)].map(([, code = '']) => code.replace(/\\\n\s*/g, ''))
  const spans = [...text.replace(/^```\n.*?^```$/gms, '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
  const lines = [...fences.flatMap((code) => code.split('\n')), ...spans].flatMap((line) => line.split(' && '))
  return lines.flatMap((line) => /(?:^| {2,})creo ([a-z].*?)(?: {2,}#.*| ─▶.*)?$/.exec(line)?.[1] ?? [])
}

async function isRight(line: string): Promise<boolean> {
  const words = line.split(' ')
  const name = [3, 2, 1].map((count) => words.slice(0, count).join(' ')).find((asked) => commands.has(asked))
  if (name === undefined) return false
  const file = pathToFileURL(join(ROOT, 'src/commands', `${name.replaceAll(' ', '/')}.ts`)).href
  const {default: command}: {default: typeof Command} = await import(file)
  const flags = new Set(['help', 'json', ...Object.keys(command.flags ?? {})])
  return [...line.matchAll(/ --([a-z-]+)/g)].every(([, flag = '']) => flags.has(flag))
}
