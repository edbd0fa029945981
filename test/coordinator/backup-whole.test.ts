import {readdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {makeBackup} from '../../src/coordinator/backup/make-backup.ts'
import {restoreBackup} from '../../src/coordinator/backup/restore-backup.ts'
import {WebhookStore} from '../../src/coordinator/webhooks/webhook-store.ts'
import {startWorld, temporaryFolder} from './coordinator-world.ts'

/** Keys, what is made of the journal, logs, what was seen of requests, and what SQLite or a running process has beside its files. */
const LEFT_OUT = /^((coordinator|operator|secrets)\.key|ledger\.(sqlite|snapshot)|logs\.sqlite|nonces\.[01]|.*-(wal|shm)|creo\.lock)$/
const PROBES = '{"v":1,"nodes":[]}'

let world: Awaited<ReturnType<typeof startWorld>>
/** For the backup and what is made of it. */
let beside: Awaited<ReturnType<typeof temporaryFolder>>
beforeAll(async () => {
  beside = await temporaryFolder()
  world = await startWorld()
})
afterAll(async () => {
  await world.close()
  await beside.remove()
})

it('of a coordinator that runs is restored with all that nothing makes again', async () => {
  const {actors, folder} = world
  const org = await actors.colibris()
  const url = 'http://127.0.0.1:9/hook'
  expect((await actors.signed('POST', '/v1/orgs/colibris/webhook', org.key, {body: {url}})).json).toMatchObject({webhook: {url}})
  writeFileSync(join(folder.path, 'probes.json'), PROBES)
  const about = {signal: new AbortController().signal, onProgress: () => undefined}
  const [file, directory] = [join(beside.path, 'backup'), join(beside.path, 'restored')]
  await makeBackup({directory: folder.path, file, images: true, nowMs: Date.now(), ...about})
  await restoreBackup({file, directory, signatures: true, ...about})
  const ours = (path: string): string[] =>
    readdirSync(path)
      .filter((name) => !LEFT_OUT.test(name))
      .sort()
  // Empty folders are made again by whoever writes into them.
  const needed = ours(folder.path).filter((name) => name.includes('.'))
  expect(ours(directory)).toEqual(needed)
  expect(needed).toEqual(expect.arrayContaining(['journal.sqlite', 'webhooks.sqlite', 'pictures.sqlite', 'probes.json', 'secrets.sqlite']))
  const store = new WebhookStore(join(directory, 'webhooks.sqlite'))
  expect(store.urlOf('colibris')).toBe(url)
  store.close()
})
