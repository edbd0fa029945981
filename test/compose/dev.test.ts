import {once} from 'node:events'
import {appendFile, mkdir, mkdtemp, rename, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {beforeEach, describe, expect, it, onTestFinished} from 'vitest'
import {BuiltImages} from '../../src/compose/dev/built-images.ts'
import {Changes} from '../../src/compose/dev/changes.ts'
import {isTrackedByGit} from '../../src/compose/dev/dev-secrets.ts'
import {followRequests} from '../../src/compose/dev/seen-requests.ts'
import {AppWatch} from '../../src/compose/dev/watch-app.ts'
import type {SeenRequest} from '../../src/developer/dev-events.ts'
import {manifestOf} from '../../src/developer/read-manifest.ts'

const never = new AbortController().signal
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-watch-'))
  onTestFinished(() => rm(folder, {recursive: true, force: true}))
})

describe('what creo dev watches', () => {
  const watched = async (): Promise<Changes> => {
    const changes = new Changes()
    const watch = new AppWatch()
    onTestFinished(() => watch.close())
    await mkdir(join(folder, 'fn', 'node_modules', 'dep'), {recursive: true})
    await mkdir(join(folder, 'fn', 'tmp'))
    await mkdir(join(folder, 'fn', 'lib'))
    await writeFile(join(folder, 'fn', '.creoignore'), 'tmp/\n*.log\n')
    const onTrouble = (error: Error): never => {
      throw error
    }
    await watch.use({sources: [join(folder, 'fn')], files: [join(folder, 'creo.yaml')], onChange: changes.seen, onTrouble})
    return changes
  }

  it('sees a file below a source folder, and one that an editor puts in the place of the manifest', async () => {
    const changes = await watched()
    await writeFile(join(folder, 'fn', 'lib', 'a.mjs'), '1')
    await changes.next(never)
    expect([...changes.take()]).toEqual([join(folder, 'fn')])
    await writeFile(join(folder, 'creo.yaml.new'), 'app: x')
    await rename(join(folder, 'creo.yaml.new'), join(folder, 'creo.yaml'))
    await changes.next(never)
    expect([...changes.take()]).toEqual([join(folder, 'creo.yaml')])
  })

  it('does not see what the ignore file names, nor packages that are installed', async () => {
    const changes = await watched()
    await writeFile(join(folder, 'fn', 'debug.log'), '1')
    await writeFile(join(folder, 'fn', 'tmp', 'a'), '1')
    await writeFile(join(folder, 'fn', 'node_modules', 'dep', 'a.js'), '1')
    await writeFile(join(folder, 'beside'), '1')
    await writeFile(join(folder, 'creo.yaml'), '1')
    await changes.next(never)
    expect([...changes.take()]).toEqual([join(folder, 'creo.yaml')])
  })
})

it('builds again only the functions whose files or recipe changed', () => {
  const manifest = (command: string) => ({
    ...manifestOf(
      `app: shop\norg: acme\nroutes: [{path: /, function: a1}]\nfunctions:\n  a1: {source: ./a, command: [${command}]}\n  b1: {source: ./b}\n`,
      'creo.yaml'
    ),
    folder: '/app'
  })
  const facts = {revision: 'rev_1', lackingBase: [], pulls: [], bytesPushed: 0, blobsPushed: 0, blobsPresent: 0}
  const built = new BuiltImages()
  const images = (command = 'x') => Object.values(built.with(manifest(command)).manifest.functions).map(({image}) => image ?? 'built')
  expect(images()).toEqual(['built', 'built'])
  built.keep(manifest('x'), [
    {function: 'a1', imageDigest: 'sha256:a', ...facts},
    {function: 'b1', imageDigest: 'sha256:b', ...facts}
  ])
  expect(images()).toEqual(['sha256:a', 'sha256:b'])
  expect(images('y')).toEqual(['built', 'sha256:b'])
  built.changed('/app/b')
  expect(images()).toEqual(['sha256:a', 'built'])
})

it('tells the requests of a gateway log as they come, but for those that a deploy makes itself', async () => {
  const path = join(folder, 'gateway.log')
  const request = (target: string) =>
    `${JSON.stringify({level: 30, time: '2026-11-22T18:00:00.000Z', method: 'GET', path: target, status: 200, ms: 3, function: 'acme/shop/site', msg: 'request'})}\n`
  await writeFile(
    path,
    `${request('/one')}${request('/@shop--acme/')}${JSON.stringify({msg: 'miner connected'})}\n${request('/two').slice(0, 40)}`
  )
  const stop = new AbortController()
  const seen: SeenRequest[] = []
  const arrivals = new EventTarget()
  const following = followRequests(
    path,
    (one) => {
      seen.push(one)
      arrivals.dispatchEvent(new Event('request'))
    },
    stop.signal
  )
  await once(arrivals, 'request')
  await appendFile(path, request('/two').slice(40))
  await once(arrivals, 'request')
  stop.abort()
  await following
  expect(seen.map((one) => `${one.function} ${one.method} ${one.path} ${one.status}`)).toEqual(['site GET /one 200', 'site GET /two 200'])
})

it('knows whether git keeps a file of secrets', async () => {
  const file = join(folder, '.env')
  await writeFile(file, 'API_KEY=x\n')
  expect(await isTrackedByGit(file, never)).toBe(false)
  await execa('git', ['-C', folder, 'init', '-q'])
  expect(await isTrackedByGit(file, never)).toBe(false)
  await execa('git', ['-C', folder, 'add', '.env'])
  expect(await isTrackedByGit(file, never)).toBe(true)
})
