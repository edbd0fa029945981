import {spawnSync} from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import Database from 'better-sqlite3'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {makeBackup} from '../../src/coordinator/backup/make-backup.ts'
import {clearUnfinishedRestores, restoreBackup} from '../../src/coordinator/backup/restore-backup.ts'
import {saveKeyFile} from '../../src/identity/keys.ts'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import {LedgerWorld} from '../ledger/ledger-world.ts'
import {orderOf} from '../ledger/orders.ts'
import {creo} from '../support/processes.ts'

const BLOB = join('registry', 'blobs', 'sha256', 'ab', 'abcd')
const FLIPS = (process.env.CREO_TEST_TIER ?? 'short') === 'short' ? 15 : 200
let world: LedgerWorld
let folder: string

beforeAll(async () => {
  world = await LedgerWorld.make()
  await world.settle()
  folder = mkdtempSync(join(tmpdir(), 'creo-backup-'))
  const {directory} = world
  await saveKeyFile(join(directory, 'coordinator.key'), world.key('coordinator'))
  writeFileSync(join(directory, 'secrets.key'), 'a key that opens secrets')
  const secrets = new Database(join(directory, 'secrets.sqlite'))
  secrets.exec("CREATE TABLE sealed (value TEXT); INSERT INTO sealed VALUES ('sealed')")
  secrets.close()
  mkdirSync(join(directory, BLOB, '..'), {recursive: true})
  writeFileSync(join(directory, BLOB), Buffer.alloc(3 * 2 ** 20, 'image'))
  mkdirSync(join(directory, 'registry', 'catalog'), {recursive: true})
  writeFileSync(join(directory, 'registry', 'catalog', 'link.json'), '{}')
  writeFileSync(join(directory, 'registry', 'catalog', 'half.new'), '{')
})

afterAll(async () => {
  await world.remove()
  rmSync(folder, {recursive: true, force: true})
})

function backup(name: string, more: {images?: boolean; signal?: AbortSignal; onProgress?: (said: string) => void} = {}) {
  const onProgress = more.onProgress ?? (() => undefined)
  const {images = false, signal = world.signal} = more
  return makeBackup({directory: world.directory, file: join(folder, name), images, nowMs: world.nowMs, signal, onProgress})
}

function restore(name: string, to: string, signal = world.signal) {
  const onProgress = (): void => undefined
  return restoreBackup({file: join(folder, name), directory: join(folder, to), signatures: true, signal, onProgress})
}

describe('a backup', () => {
  it('made while commands are carried out has all that was acknowledged before it, and opens as the ledger that it was then', async () => {
    let isTrading = true
    const trading = (async () => {
      for (let number = 0; isTrading; number += 1) await world.submit(world.sign('ann', orderOf('buy', 1, 100 + (number % 5))))
    })()
    const command = world.sign('bob', orderOf('buy', 2, 90))
    const answer = await world.submit(command)
    const made = await backup('while')
    isTrading = false
    await trading
    expect(made.commands).toBeGreaterThanOrEqual(answer.seq)
    expect(statSync(made.file).mode & 0o777).toBe(0o600)
    const restored = await restore('while', 'of-while')
    expect(restored).toMatchObject({commands: made.commands, headHash: made.headHash, networkId: world.network, accounts: 4})
    expect(restored.signaturesChecked).toBe(made.commands)
    const [directory, now] = [restored.data, (): number => world.nowMs]
    const ledger = await openLedger({directory, genesisText: world.genesisText, now, signal: world.signal})
    expect(ledger.sequence).toBe(made.commands)
    expect(await ledger.submit(command, world.signal)).toEqual(answer)
    const shared = made.groups
    expect(ledger.reads.journal({from: shared, limit: 1})).toEqual(world.ledger.reads.journal({from: shared, limit: 1}))
    await ledger.close()
  })

  it('is made where one was killed before it, and nobody else can read what lies beside it meanwhile', async () => {
    for (const left of ['.new', '.new.part']) writeFileSync(join(folder, `again.${process.pid}${left}`), 'half', {mode: 0o600})
    const modes = new Set<number>()
    const look = (): void => {
      for (const name of readdirSync(folder)) if (name.startsWith('again.')) modes.add(statSync(join(folder, name)).mode & 0o777)
    }
    expect((await backup('again', {onProgress: look})).files).toBe(2)
    expect([...modes]).toEqual([0o600])
    expect(readdirSync(folder).filter((name) => name.startsWith('again.'))).toEqual([])
  })

  it('has secrets as they are sealed and, where asked for, images, and never a key', async () => {
    expect((await backup('small')).files).toBe(2)
    expect((await backup('images', {images: true})).files).toBe(4)
    await restore('small', 'of-small')
    const {data} = await restore('images', 'of-images')
    expect(readdirSync(join(folder, 'of-small')).sort()).toEqual(['genesis.json', 'journal.sqlite', 'secrets.sqlite'])
    expect(readFileSync(join(data, BLOB)).equals(readFileSync(join(world.directory, BLOB)))).toBe(true)
    expect(readdirSync(join(data, 'registry', 'catalog'))).toEqual(['link.json'])
    const secrets = new Database(join(data, 'secrets.sqlite'), {readonly: true})
    expect(secrets.prepare('SELECT value FROM sealed').pluck().get()).toBe('sealed')
    secrets.close()
    const bytes = readFileSync(join(folder, 'images'))
    expect(bytes.includes('a key that opens secrets')).toBe(false)
    const {privateKey} = JSON.parse(readFileSync(join(world.directory, 'coordinator.key'), 'utf8')) as {privateKey: string}
    expect(privateKey.length).toBeGreaterThan(40)
    expect(bytes.includes(privateKey)).toBe(false)
  })

  it('overwrites nothing, and leaves nothing behind when it is ended on the way', async () => {
    writeFileSync(join(folder, 'taken'), 'mine')
    await expect(backup('taken')).rejects.toMatchObject({code: 'conflict'})
    expect(readFileSync(join(folder, 'taken'), 'utf8')).toBe('mine')
    const stop = new AbortController()
    await expect(backup('ended', {signal: stop.signal, onProgress: () => stop.abort()})).rejects.toMatchObject({code: 'interrupted'})
    await expect(backup(join('nowhere', 'file'))).rejects.toMatchObject({code: 'not_found'})
    expect(readdirSync(folder).filter((name) => name.includes('.new') || name === 'ended')).toEqual([])
  })
})

describe('a restore', () => {
  it('goes into no folder that has something, and makes none of what is no backup', async () => {
    await backup('good')
    mkdirSync(join(folder, 'full'))
    writeFileSync(join(folder, 'full', 'mine'), '')
    await expect(restore('good', 'full')).rejects.toMatchObject({code: 'conflict'})
    await expect(restore('good', join('full', 'mine'))).rejects.toMatchObject({code: 'conflict'})
    mkdirSync(join(folder, 'empty'))
    expect(await restore('good', 'empty')).toMatchObject({accounts: 4})
    await expect(restore('missing', 'of-missing')).rejects.toMatchObject({code: 'not_found'})
    writeFileSync(join(folder, 'text'), 'hello')
    copyFileSync(join(world.directory, 'secrets.sqlite'), join(folder, 'other'))
    for (const name of ['text', 'other']) await expect(restore(name, 'of-none')).rejects.toMatchObject({code: 'invalid_input'})
    await expect(restore('good', 'of-stopped', AbortSignal.abort())).rejects.toMatchObject({code: 'interrupted'})
    for (const name of ['of-missing', 'of-none', 'of-stopped']) expect(existsSync(join(folder, name))).toBe(false)
  })

  it('clears what a killed one left beside its place, as a start of the coordinator does, and leaves what another still works on', async () => {
    await backup('cleared')
    const ended = spawnSync(process.execPath, ['-e', '']).pid
    const left = join(folder, `of-cleared.${ended}.new`)
    const others = [
      join(folder, `of-cleared.${process.ppid}.new`),
      join(folder, `of-cleared-too.${ended}.new`),
      join(folder, 'of-cleared.x.new')
    ]
    for (const path of [left, ...others]) mkdirSync(path)
    await restore('cleared', 'of-cleared')
    expect([left, ...others].map((path) => existsSync(path))).toEqual([false, true, true, true])
    mkdirSync(left)
    await clearUnfinishedRestores(join(folder, 'of-cleared'))
    expect([left, ...others].map((path) => existsSync(path))).toEqual([false, true, true, true])
    for (const path of others) rmSync(path, {recursive: true})
  })

  it('clears nothing that no restore made, and starts beside what may not be removed', async () => {
    const ended = spawnSync(process.execPath, ['-e', '']).pid
    const place = join(folder, 'beside', 'data')
    const made = (name: string, file: string): string => {
      mkdirSync(`${place}.${name}.new`, {recursive: true})
      writeFileSync(join(`${place}.${name}.new`, file), '')
      return `${place}.${name}.new`
    }
    const dated = made('20261122', 'genesis.json')
    const filled = made(String(ended), 'coordinator.key')
    await clearUnfinishedRestores(place)
    expect([dated, filled].map((path) => existsSync(path))).toEqual([true, true])
    rmSync(join(filled, 'coordinator.key'))
    for (const file of ['genesis.json', 'journal.sqlite', 'journal.sqlite-journal']) made(String(ended), file)
    // Of these one stops root, where the disk's form has it, the other everybody else.
    spawnSync('chattr', ['+i', join(filled, 'genesis.json')])
    chmodSync(join(folder, 'beside'), 0o500)
    try {
      await clearUnfinishedRestores(place)
    } finally {
      spawnSync('chattr', ['-i', join(filled, 'genesis.json')])
      chmodSync(join(folder, 'beside'), 0o700)
    }
    await clearUnfinishedRestores(place)
    expect(existsSync(filled)).toBe(false)
  })

  it('of a backup that says less than it has, names a file outside, or was changed anywhere, makes nothing or the same', async () => {
    const {headHash} = await backup('whole')
    const whole = readFileSync(join(folder, 'whole'))
    const tampered = (name: string, sql: string): void => {
      writeFileSync(join(folder, name), whole)
      const database = new Database(join(folder, name))
      database.exec(sql)
      database.close()
    }
    tampered('short', 'DROP TRIGGER groups_are_not_deleted; DELETE FROM groups WHERE number = (SELECT max(number) FROM groups)')
    await expect(restore('short', 'of-short')).rejects.toMatchObject({code: 'verification_failed'})
    for (const path of ['../outside', '/outside', 'coordinator.key', 'registry/../../outside']) {
      rmSync(join(folder, 'outside'), {force: true})
      tampered('outside', `UPDATE files SET path = '${path}' WHERE path = 'secrets.sqlite'`)
      await expect(restore('outside', 'of-outside')).rejects.toMatchObject({code: 'invalid_input'})
    }
    let refused = 0
    for (let flip = 0; flip < FLIPS; flip += 1) {
      const bytes = Buffer.from(whole)
      const at = Math.floor((bytes.length * (flip + 0.5)) / FLIPS)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (flip % 8))
      writeFileSync(join(folder, 'flipped'), bytes)
      const made = await restore('flipped', `of-flip-${flip}`).catch(() => undefined)
      expect(existsSync(join(folder, `of-flip-${flip}`))).toBe(made !== undefined)
      if (made === undefined) refused += 1
      else expect(made).toMatchObject({headHash, networkId: world.network, files: 2})
    }
    expect(refused).toBeGreaterThan(FLIPS / 4)
  })
})

it('is there as commands, which say what they did and what to do next', async () => {
  const file = join(folder, 'by-command')
  const made = await creo(['coordinator', 'backup', file, '--data', world.directory, '--json'])
  expect([made.code, JSON.parse(made.stdout)]).toMatchObject([0, {file, networkId: world.network, files: 2}])
  const again = await creo(['coordinator', 'backup', file, '--data', world.directory, '--json'])
  expect([again.code, JSON.parse(again.stdout).error.code]).toEqual([3, 'conflict'])
  const restored = await creo(['coordinator', 'restore', file, '--data', join(folder, 'by-command-too')])
  expect(restored.code).toBe(0)
  expect(restored.stdout).toContain('all replayed')
  expect(restored.stdout).toContain('put coordinator.key and secrets.key there')
})
