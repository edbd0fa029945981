import {once} from 'node:events'
import {chmod, mkdtemp, readdir, readFile, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {openDataDirectory} from '../../src/config/data-directory.ts'
import {readFileIfThere, writeFileDurably} from '../../src/config/durable-file.ts'
import {configDirectory, dataDirectory} from '../../src/config/paths.ts'
import {openUserConfig} from '../../src/config/user-config.ts'
import {creo, ended, script} from '../support/processes.ts'

const CONTEXT = {coordinatorUrl: 'http://127.0.0.1:7700', networkId: 'a'.repeat(64), coordinatorKey: 'k'.repeat(43)}
const USER_CONFIG = new URL('../../src/config/user-config.ts', import.meta.url)
const DATA_DIRECTORY = new URL('../../src/config/data-directory.ts', import.meta.url)

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-config-'))
})
afterEach(() => rm(folder, {recursive: true, force: true}))

/** Another process that opens the directory, says so, and keeps it. */
const holder = (path: string) =>
  script(`import {openDataDirectory} from '${DATA_DIRECTORY}'
    await openDataDirectory('${path}')
    console.log('open')
    setInterval(() => {}, 1000)`)

describe('paths', () => {
  test('the own variable wins over XDG, XDG over the home directory', () => {
    expect(configDirectory({CREO_CONFIG_DIR: '/c', XDG_CONFIG_HOME: '/x', HOME: '/h'})).toBe('/c')
    expect(configDirectory({XDG_CONFIG_HOME: '/x', HOME: '/h'})).toBe('/x/creo')
    expect(dataDirectory({HOME: '/h'})).toBe('/h/.local/share/creo')
  })
})

describe('settings', () => {
  test('a saved network is the current one, and a later process finds it', () => {
    openUserConfig({CREO_CONFIG_DIR: folder}).saveContext('dev', CONTEXT)
    expect(openUserConfig({CREO_CONFIG_DIR: folder}).context()).toEqual({name: 'dev', ...CONTEXT})
  })

  test('nobody else may read them', async () => {
    const config = openUserConfig({CREO_CONFIG_DIR: folder})
    config.setDefaultAccount('ann')
    expect((await stat(config.path)).mode & 0o777).toBe(0o600)
    expect(config.read()).toEqual({contexts: {}, defaultAccount: 'ann'})
  })

  test('whoever opens them hears each signal once, as before', async () => {
    const child = script(`import {openUserConfig} from '${USER_CONFIG}'
      openUserConfig({CREO_CONFIG_DIR: '${folder}'}).setDefaultAccount('ann')
      let heard = 0
      process.on('SIGTERM', () => {
        heard += 1
        setTimeout(() => {
          console.log('heard', heard)
          process.exit(0)
        }, 200)
      })
      setInterval(() => {}, 1000)
      console.log('open')`)
    const said: string[] = []
    const opened = Promise.withResolvers<void>()
    child.stdout?.on('data', (bytes) => opened.resolve(void said.push(String(bytes))))
    await opened.promise
    child.kill('SIGTERM')
    await once(child, 'close')
    expect(said.join('')).toBe('open\nheard 1\n')
  })

  test('an unknown network is not found, and the known ones are named', () => {
    const config = openUserConfig({CREO_CONFIG_DIR: folder})
    expect(() => config.context()).toThrow(expect.objectContaining({code: 'not_found'}))
    config.saveContext('dev', CONTEXT)
    expect(() => config.context('prod')).toThrow(expect.objectContaining({code: 'not_found', hint: 'Use one of: dev.'}))
  })

  test('a bad network is refused and nothing is stored', () => {
    const config = openUserConfig({CREO_CONFIG_DIR: folder})
    expect(() => config.saveContext('dev', {...CONTEXT, networkId: 'x'})).toThrow(expect.objectContaining({code: 'invalid_input'}))
    expect(config.read().contexts).toEqual({})
  })

  test.each(['{', '{"contexts": 5}', '{"color": "red"}'])('a file edited into %s is refused by name and left alone', async (text) => {
    const path = join(folder, 'config.json')
    await writeFile(path, text)
    const read = () => openUserConfig({CREO_CONFIG_DIR: folder}).read()
    expect(read).toThrow(expect.objectContaining({code: 'invalid_input', message: expect.stringContaining(path)}))
    expect(await readFile(path, 'utf8')).toBe(text)
  })
})

describe('data directory', () => {
  test('it is made for its owner alone', async () => {
    const directory = await openDataDirectory(join(folder, 'deep', 'data'))
    expect((await stat(directory.path)).mode & 0o777).toBe(0o700)
    await directory.close()
    expect(await readdir(directory.path)).toEqual([])
  })

  test('while one process has it, another is told which', async () => {
    const child = holder(folder)
    await once(child.stdout!, 'data')
    await expect(openDataDirectory(folder)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`Process ${child.pid} uses`)
    })
    child.kill('SIGKILL')
    await once(child, 'exit')
  })

  test('after a SIGKILL the next process takes it over', async () => {
    const child = holder(folder)
    await once(child.stdout!, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    const directory = await openDataDirectory(folder)
    await directory.close()
    expect(await readdir(folder)).toEqual([])
  })

  test('of several that take over a dead lock at once, one wins', async () => {
    const child = holder(folder)
    await once(child.stdout!, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
    const outcomes = await Promise.allSettled(Array.from({length: 8}, () => openDataDirectory(folder)))
    expect(outcomes.filter(({status}) => status === 'fulfilled')).toHaveLength(1)
  })

  test('a process id used again by another program is not taken for the holder', async () => {
    await writeFile(join(folder, 'creo.lock'), JSON.stringify({pid: process.pid, startTicks: '1', boot: 'another boot'}))
    await (await openDataDirectory(folder)).close()
  })

  test('a place that cannot be a folder is refused with what to do', async () => {
    await writeFile(join(folder, 'file'), '')
    await expect(openDataDirectory(join(folder, 'file', 'data'))).rejects.toMatchObject({
      code: 'data_dir_unwritable',
      hint: expect.stringContaining('CREO_DATA_DIR')
    })
    await expect(openDataDirectory(join(folder, 'file'))).rejects.toMatchObject({code: 'data_dir_unwritable'})
  })

  test('a folder whose parent is there and takes none is refused at once, for data and for settings', async () => {
    await expect(openDataDirectory('/proc/nope/data')).rejects.toMatchObject({
      code: 'data_dir_unwritable',
      message: expect.stringContaining('(ENOENT)')
    })
    expect(() => openUserConfig({CREO_CONFIG_DIR: '/proc/nope'}).read()).toThrow(
      expect.objectContaining({code: 'data_dir_unwritable', hint: expect.stringContaining('CREO_CONFIG_DIR')})
    )
  })

  const MINE = `mine start --coordinator http://127.0.0.1:1 --network-id ${'a'.repeat(64)} --earn gutta --data /proc/nope`
  test.each([MINE, 'build examples/colibris --output /proc/nope/images', 'init /proc/nope/app --org colibris'])(
    'so does the program with: %s',
    async (line) => {
      const cwd = fileURLToPath(new URL('../..', import.meta.url))
      const {code, stdout} = await creo([...line.split(' '), '--json'], {cwd, env: {...process.env, CREO_CONFIG_DIR: folder}})
      expect(JSON.parse(stdout)).toMatchObject({error: {code: 'data_dir_unwritable', hint: expect.any(String)}})
      expect(code).toBe(1)
    }
  )
})

describe('durable files', () => {
  test('a file is replaced as a whole and nothing is left beside it', async () => {
    const path = join(folder, 'table.json')
    await writeFileDurably(path, 'old')
    await writeFileDurably(path, 'new', {mode: 0o600})
    expect(await readdir(folder)).toEqual(['table.json'])
    expect((await readFileIfThere(path))?.toString()).toBe('new')
  })

  test('a file that is not there is undefined, a too large one is refused', async () => {
    const path = join(folder, 'big')
    expect(await readFileIfThere(path)).toBeUndefined()
    await writeFile(path, 'x'.repeat(11))
    await chmod(path, 0o600)
    await expect(readFileIfThere(path, 10)).rejects.toMatchObject({code: 'payload_too_large'})
  })

  test('a file that cannot be written leaves no half of it', async () => {
    await expect(writeFileDurably(join(folder, 'none', 'file'), 'x')).rejects.toMatchObject({code: 'ENOENT'})
    expect(await readdir(folder)).toEqual([])
  })
})

test('a process that only opens and closes leaves the folder free', async () => {
  const child = script(`import {openDataDirectory} from '${DATA_DIRECTORY}'\nawait (await openDataDirectory('${folder}')).close()`)
  expect((await ended(child)).code).toBe(0)
  expect(await readdir(folder)).toEqual([])
})
