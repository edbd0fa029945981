import {open, readdir, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {request} from 'undici'
import {expect, onTestFinished, test} from 'vitest'
import {asCreoError} from '../../src/coordinator/http/error-answer.ts'
import {LogFile} from '../../src/coordinator/log-file.ts'
import {SecretStore} from '../../src/coordinator/secret-store.ts'
import {loadOrCreateSealingKey} from '../../src/identity/sealing.ts'
import {digestOf} from '../../src/images/digest.ts'
import {startRegistry} from '../images/registry-world.ts'
import {temporaryFolder} from './coordinator-world.ts'

const isRoot = process.getuid?.() === 0
const DISK_BYTES = 4 * 2 ** 20
const DISK_FILES = 200

/** @returns the folder that it is mounted on. */
async function smallDisk(): Promise<string> {
  const folder = await temporaryFolder()
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES},nr_inodes=${DISK_FILES}`, 'creo', folder.path])
  onTestFinished(async () => {
    await execa('umount', ['-l', folder.path])
    await folder.remove()
  })
  return folder.path
}

/** Makes files until there is room for `left` more. @returns what makes room again. */
async function takeFiles(folder: string, left: number): Promise<() => Promise<void>> {
  const made: string[] = []
  const failed = async (): Promise<unknown> => {
    const path = join(folder, `file-${made.length}`)
    const error = await writeFile(path, '').catch((cause: unknown) => cause)
    if (error === undefined) made.push(path)
    return error
  }
  let isFull = false
  while (!isFull && made.length < DISK_FILES) isFull = (await failed()) !== undefined
  const free = async (paths: readonly string[]): Promise<void> => {
    for (const path of paths) await rm(path)
  }
  await free(made.splice(0, left))
  return () => free(made)
}

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
  const folder = await smallDisk()
  const key = await loadOrCreateSealingKey(join(folder, 'secrets.key'))
  const secrets = SecretStore.open({path: join(folder, 'secrets.sqlite'), network: 'test', key, nowMs: Date.now})
  const logs = LogFile.open(join(folder, 'logs.sqlite'))
  onTestFinished(async () => {
    await secrets.close()
    logs.close()
  })
  const line = {revision: 'rev_1', node: 'node_1', instance: 'i-1', atMs: 1, line: 'x'}
  const forget = (app: string) => secrets.beginForgetting({org: 'ann', app, untilMs: 1, keyId: 'k'})
  const log = (seq: number) => logs.write({added: [{...line, seq}], keptFrom: new Map(), dropped: []})
  forget('before')
  log(1)
  const ballast = join(folder, 'ballast')
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

test.runIf(isRoot)(
  'on a full disk the registry says so, keeps nothing of a push that failed, and takes it once there is room',
  async () => {
    const folder = await smallDisk()
    // What else is on the disk may take the room that was promised to a push.
    const world = await startRegistry(folder, undefined, undefined, {limits: {freeBytes: async () => Number.MAX_SAFE_INTEGER}})
    onTestFinished(() => world.close())
    const push = async (bytes: Buffer): Promise<readonly unknown[]> => {
      const address = `${world.url}/v2/ann/hello/blobs/uploads/?digest=${digestOf(bytes)}`
      const {statusCode, body} = await request(address, {method: 'POST', body: bytes})
      const text = await body.text()
      return text === '' ? [statusCode] : [statusCode, (JSON.parse(text) as {errors: [{detail: {code: string}}]}).errors[0].detail.code]
    }
    const left = async (): Promise<readonly unknown[]> => [await readdir(join(folder, 'store', 'uploads')), await world.store.list()]
    const nothing = [[], []]
    const full = [503, 'unavailable']

    const large = Buffer.alloc(DISK_BYTES / 2, 'large')
    const ballast = join(folder, 'ballast')
    await fill(ballast)
    expect([await push(large), await left()]).toEqual([full, nothing])
    await rm(ballast)

    // No file for the upload, then one for it and none for the folder that the blob goes to.
    for (const files of [0, 1]) {
      const makeRoom = await takeFiles(folder, files)
      expect([await push(large), await left()]).toEqual([full, nothing])
      await makeRoom()
    }
    expect(await push(large)).toEqual([201])
    expect(await left()).toMatchObject([[], [{digest: digestOf(large)}]])
  }
)
