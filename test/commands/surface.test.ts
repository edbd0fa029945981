import {fileURLToPath} from 'node:url'
import {Config} from '@oclif/core'
import {expect, it} from 'vitest'
import {creo} from '../support/processes.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const COMMON = new Set(['json', 'network', 'as'])

/** One line a command: what it takes. `[x]` may be left out. */
async function surface(): Promise<string[]> {
  const config = await Config.load(ROOT)
  const own = config.commands.filter(({pluginName}) => pluginName === 'creo')
  return own
    .map(({id, args, flags}) => {
      const taken = Object.values(args).map((arg) => (arg.required ? arg.name.toUpperCase() : `[${arg.name.toUpperCase()}]`))
      const named = Object.values(flags).map((flag) => {
        const name = `${COMMON.has(flag.name) ? '' : '--'}${flag.name}${flag.type === 'option' && flag.options ? `=${flag.options.join('|')}` : ''}`
        return flag.required === true ? name : `[${name}]`
      })
      return [id.replaceAll(':', ' '), ...taken, ...named.sort()].join(' ')
    })
    .sort()
}

it('is what it was: changing a command, an argument or a flag is a decision', async () => {
  expect((await surface()).join('\n')).toMatchSnapshot()
})

it('has a summary and examples for every command', async () => {
  const config = await Config.load(ROOT)
  const own = config.commands.filter(({pluginName}) => pluginName === 'creo')
  expect(own.filter(({summary, examples}) => !summary?.endsWith('.') || !examples?.length).map(({id}) => id)).toEqual([])
})

it('says of every flag and argument what it is, and what its value is called', async () => {
  const config = await Config.load(ROOT)
  const own = config.commands.filter(({pluginName}) => pluginName === 'creo')
  const mute = own.flatMap(({id, args, flags}) => [
    ...Object.values(args).flatMap(({name, description}) => (description === undefined ? [`${id} ${name}`] : [])),
    ...Object.values(flags).flatMap((flag) => {
      const isNamed = flag.type !== 'option' || flag.helpValue !== undefined || flag.options !== undefined
      return isNamed && (flag.description ?? flag.summary) !== undefined ? [] : [`${id} --${flag.name}`]
    })
  ])
  expect(mute).toEqual([])
})

it('breaks no description in the middle of a sentence: the help wraps it at the width of the terminal', async () => {
  const config = await Config.load(ROOT)
  const own = config.commands.filter(({pluginName}) => pluginName === 'creo')
  const broken = own.filter(({description}) => description?.split('\n').some((line) => !/[.?!]$/.test(line)))
  expect(broken.map(({id}) => id)).toEqual([])
})

it('shows help for a command', async () => {
  const {code, stdout} = await creo(['trade', 'buy', '--help'])
  expect(code).toBe(0)
  expect(stdout).toMatchSnapshot()
})
