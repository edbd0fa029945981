import {open, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {expect, onTestFinished, test} from 'vitest'
import {asCreoError} from '../../src/coordinator/http/error-answer.ts'
import {LogFile} from '../../src/coordinator/log-file.ts'
import {SecretStore} from '../../src/coordinator/secret-store.ts'
import {loadOrCreateSealingKey} from '../../src/identity/sealing.ts'
import {temporaryFolder} from './coordinator-world.ts'

const isRoot = process.getuid?.() === 0
const DISK_BYTES = 4 * 2 ** 20

/** Takes every byte that is left. @returns what the system said then. */
async function fill(path: string): Promise<unknown> {
  const file = await open(path, 'w')
  try {
    for (;;) await file.write(Buffer.alloc(4096))
  } catch (error) {
    return error
  } finally {
    await file.close()
  }
}

function failureOf(work: () => void): unknown {
  try {
    work()
    return undefined
  } catch (error) {
    return error
  }
}

test.runIf(isRoot)('on a full disk secrets and logs change nothing and say so, and go on once there is room', async () => {
  const folder = await temporaryFolder()
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'creo', folder.path])
  onTestFinished(async () => {
    await execa('umount', ['-l', folder.path])
    await folder.remove()
  })
  const key = await loadOrCreateSealingKey(join(folder.path, 'secrets.key'))
  const secrets = SecretStore.open({path: join(folder.path, 'secrets.sqlite'), network: 'test', key, nowMs: Date.now})
  const logs = LogFile.open(join(folder.path, 'logs.sqlite'))
  onTestFinished(async () => {
    await secrets.close()
    logs.close()
  })
  const line = {revision: 'rev_1', node: 'node_1', instance: 'i-1', atMs: 1, line: 'x'}
  const forget = (app: string) => secrets.beginForgetting({org: 'ann', app, untilMs: 1, keyId: 'k'})
  const log = (seq: number) => logs.write({added: [{...line, seq}], keptFrom: new Map(), dropped: []})
  forget('before')
  log(1)
  const ballast = join(folder.path, 'ballast')
  const failures = [await fill(ballast), failureOf(() => forget('during')), failureOf(() => log(2))]
  expect(failures.map((error) => asCreoError(error).code)).toEqual(['unavailable', 'unavailable', 'unavailable'])
  expect([secrets.forgetting().map(({app}) => app), logs.read().map(({seq}) => seq)]).toEqual([['before'], [1]])
  await rm(ballast)
  forget('after')
  log(3)
  expect([secrets.forgetting().map(({app}) => app), logs.read().map(({seq}) => seq)]).toEqual([
    ['after', 'before'],
    [1, 3]
  ])
})
