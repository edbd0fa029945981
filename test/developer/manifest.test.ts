import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {toRevisionSpec} from '../../src/core/manifest.ts'
import {manifestJsonSchema} from '../../src/core/manifest-schema.ts'
import {nearestOf} from '../../src/core/nearest.ts'
import {readManifest} from '../../src/developer/read-manifest.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-manifest-'))
})
afterAll(() => rm(folder, {recursive: true}))

async function read(text: string) {
  await writeFile(join(folder, 'creo.yaml'), text)
  return await readManifest(folder)
}

const idOf = (name: string): string => `id of ${name}`

const MINIMAL = `app: shop
org: colibris
routes:
  - path: /
    function: site
functions:
  site:
    source: ./site
`

describe('the manifest', () => {
  it('of the example reads as it is written', async () => {
    const {manifest} = await readManifest(join(import.meta.dirname, '../../examples/colibris'))
    expect(manifest.routes).toEqual([
      {path: '/api', function: 'api'},
      {path: '/', function: 'site'}
    ])
    expect(Object.keys(manifest.functions)).toEqual(['site', 'api'])
  })

  it('becomes settings of a revision with amounts in minor units', async () => {
    const {manifest} = await read(
      `${MINIMAL}    command: [node, a.js]\n    env: {N: 1}\n    rewards: [{incentive: colibris/LEAF, perMillion: {requests: "4000", mibMs: 0.5}, dailyBudget: 50}]\n`
    )
    expect(toRevisionSpec(manifest.functions.site!, () => 2, idOf)).toEqual({
      command: ['node', 'a.js'],
      port: 8080,
      memoryBytes: 128 * 2 ** 20,
      cpuMillis: 500,
      concurrency: 50,
      timeoutMs: 30_000,
      scaleMin: 0,
      scaleMax: 4,
      env: {N: '1'},
      egress: [],
      rewards: [{incentive: 'colibris/LEAF', requestsPerMillionMinor: 400_000, mibMsPerMillionMinor: 50, dailyBudgetMinor: 5000}]
    })
  })

  it('names a rate for standing by only where it pays one, so that what is deployed already stays the same revision', async () => {
    const specOf = async (perMillion: string) => {
      const rewards = `    rewards: [{incentive: colibris/LEAF, perMillion: {${perMillion}}, dailyBudget: 50}]\n`
      const {manifest} = await read(`${MINIMAL}${rewards}`)
      return toRevisionSpec(manifest.functions.site!, () => 2, idOf).rewards[0]
    }
    expect(await specOf('standbyMs: "0.2"')).toMatchObject({requestsPerMillionMinor: 0, standbyMsPerMillionMinor: 20})
    expect(await specOf('standbyMs: 0')).not.toHaveProperty('standbyMsPerMillionMinor')
  })

  it('names what it calls only where it calls something, so that what is deployed already stays the same revision', async () => {
    const {manifest} = await read(`${MINIMAL}    calls: [site]\n`)
    expect(toRevisionSpec(manifest.functions.site!, () => 2, idOf).calls).toEqual(['site'])
    expect(toRevisionSpec((await read(MINIMAL)).manifest.functions.site!, () => 2, idOf)).not.toHaveProperty('calls')
  })

  it('leaves out what is at its default, so that what is deployed already stays the same revision', async () => {
    const {manifest} = await read(`${MINIMAL}    secrets: []\n    cron: []\n    ownerShareMax: 100\n`)
    expect(toRevisionSpec(manifest.functions.site!, () => 2, idOf)).toEqual(
      toRevisionSpec((await read(MINIMAL)).manifest.functions.site!, () => 2, idOf)
    )
  })

  it('says when a function is ready, where it may run, what it is told in secret and when it is called', async () => {
    const settings = `    health: /ready
    architectures: [arm64]
    secrets: [API_KEY]
    cron:
      - {schedule: "0 6 * * mon-fri", path: /report, timezone: Africa/Nairobi}
      - {schedule: "*/15 * * * *", path: /tick, method: GET}
    owners: [ann, bob]
    ownerShareMax: 40
`
    const {manifest} = await read(`${MINIMAL}${settings}`)
    expect(toRevisionSpec(manifest.functions.site!, () => 2, idOf)).toMatchObject({
      health: '/ready',
      architectures: ['arm64'],
      secrets: ['API_KEY'],
      cron: [
        {schedule: '0 6 * * mon-fri', path: '/report', timezone: 'Africa/Nairobi'},
        {schedule: '*/15 * * * *', path: '/tick', method: 'GET'}
      ],
      owners: ['id of ann', 'id of bob'],
      ownerSharePercentMax: 40
    })
  })

  it('needs no more than where the files are', async () => {
    const {manifest} = await read(MINIMAL)
    expect(manifest.functions.site).toMatchObject({base: 'node', port: 8080, memory: 128 * 2 ** 20, cpu: 500, timeout: 30_000, rewards: []})
  })

  it('has a JSON Schema for editors, which is the published file', async () => {
    const text = `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`
    await expect(text).toMatchFileSnapshot('../../packaging/creo.schema.json')
  })

  it('that is missing says how to make one', async () => {
    await expect(readManifest(join(folder, 'nowhere'))).rejects.toMatchObject({
      code: 'not_found',
      hint: expect.stringContaining('creo init')
    })
  })

  it('refuses an amount finer than its incentive', async () => {
    const {manifest} = await read(`${MINIMAL}    rewards: [{incentive: colibris/LEAF, perMillion: {requests: 0.001}, dailyBudget: 5}]\n`)
    expect(() => toRevisionSpec(manifest.functions.site!, () => 2, idOf)).toThrow(expect.objectContaining({code: 'invalid_input'}))
    expect(toRevisionSpec(manifest.functions.site!, () => 3, idOf).rewards[0]?.requestsPerMillionMinor).toBe(1)
  })
})

describe('the nearest word', () => {
  it.each([
    ['memroy', 'memory'],
    ['Port', 'port'],
    ['qqqqqq', undefined]
  ])('to %s is %s', (word, expected) => {
    expect(nearestOf(word, ['memory', 'port', 'concurrency'])).toBe(expected)
  })
})
