import {once} from 'node:events'
import {expect, test} from 'vitest'
import {script} from '../support/processes.ts'

const LEAN = new URL('../../src/cli/lean-process.ts', import.meta.url)
const SOURCE = `import {startLean} from '${LEAN}'
  startLean('mine start')
  console.log(process.pid, process.env.MALLOC_ARENA_MAX, process.env.GIVEN, process.execArgv.includes('--max-semi-space-size=2'))
  process.stdin.on('end', () => console.log('stdin ended')).resume()`

async function said(env: NodeJS.ProcessEnv): Promise<{pid: number | undefined; text: string}> {
  const child = script(SOURCE, {env: {...process.env, ...env}, stdio: ['pipe', 'pipe', 'pipe']})
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes) => (text += String(bytes)))
  child.stdin?.end()
  await once(child, 'close')
  return {pid: child.pid, text}
}

test('a process that is to be lean goes on as itself, with the streams, the arguments and the environment that it was given', async () => {
  const {pid, text} = await said({MALLOC_ARENA_MAX: undefined, GIVEN: 'yes'})
  expect(text).toBe(`${pid} 2 yes true\nstdin ended\n`)
})

test('what the user has set stays', async () => {
  const {pid, text} = await said({MALLOC_ARENA_MAX: '5', GIVEN: 'yes'})
  expect(text).toBe(`${pid} 5 yes false\nstdin ended\n`)
})
