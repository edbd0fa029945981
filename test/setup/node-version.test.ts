import {spawn} from 'node:child_process'
import {cp, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {expect, test} from 'vitest'
import {CREO_NODE} from '../../packaging/setup/places.mjs'
import {ended} from '../support/processes.ts'

test('the oldest Node is the same in package.json, in the set-up and in the check of the program itself', async () => {
  const {engines} = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  const program = await readFile(new URL('../../bin/run.js', import.meta.url), 'utf8')
  expect(engines.node).toBe(`>=${CREO_NODE.join('.')}`)
  expect(program).toContain(`const NODE_MIN = [${CREO_NODE.join(', ')}]`)
})

test('a half-built program says so in one sentence, and what mends it', async () => {
  const root = await mkdtemp(join(tmpdir(), 'creo-half-'))
  try {
    await mkdir(join(root, 'dist', 'cli'), {recursive: true})
    await cp(fileURLToPath(new URL('../../bin', import.meta.url)), join(root, 'bin'), {recursive: true})
    await writeFile(join(root, 'package.json'), '{"type": "module"}')
    await writeFile(join(root, 'dist', 'cli', 'main.js'), "import './gone.js'\n")
    const {code, stderr} = await ended(spawn(process.execPath, [join(root, 'bin', 'run.js'), 'apps'], {stdio: ['ignore', 'pipe', 'pipe']}))
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^ ›.*does not fit together: .*gone\.js.*\n.*failed\n.*npm run build\n$/)])
  } finally {
    await rm(root, {recursive: true, force: true})
  }
})
