import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {expect, onTestFinished, test} from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

test('the counts name what passed, what failed, a file that could not be loaded, and one that V8 stopped', async () => {
  await mkdir(join(ROOT, '.creo'), {recursive: true})
  const folder = await mkdtemp(join(ROOT, '.creo', 'reporter-'))
  onTestFinished(() => rm(folder, {recursive: true, force: true}))
  await writeFile(
    join(folder, 'mixed.test.ts'),
    "import {expect, test} from 'vitest'\ntest('a', () => {})\ntest('b', () => {})\ntest('c', () => expect(1).toBe(2))\ntest.skip('d', () => {})\n"
  )
  await writeFile(join(folder, 'broken.test.ts'), "import './missing.ts'\n")
  const ended = (signal: string): string =>
    `import {test} from 'vitest'\ntest('e', () => { process.kill(process.pid, '${signal}'); return new Promise(() => {}) })\n`
  const stopped = join(folder, 'stopped.test.ts')
  await writeFile(stopped, ended('SIGTRAP'))
  await writeFile(join(folder, 'killed.test.ts'), ended('SIGKILL'))
  const counts = join(folder, 'counts.json')
  const reporter = join(ROOT, 'test/support/reporter.ts')
  const vitest = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder, `--reporter=${reporter}`]
  const child = spawn(process.execPath, vitest, {stdio: 'ignore', env: {...process.env, CREO_TEST_COUNTS: counts}})
  const [exitCode] = await once(child, 'exit')
  expect(exitCode).toBe(1)
  expect(JSON.parse(await readFile(counts, 'utf8'))).toEqual({passed: 2, failed: 3, skipped: 3, stopped: [stopped]})
})
