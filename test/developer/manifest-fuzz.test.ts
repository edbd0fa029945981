import fc from 'fast-check'
import {expect, it} from 'vitest'
import {stringify} from 'yaml'
import {isCreoError} from '../../src/core/errors.ts'
import {toRevisionSpec} from '../../src/core/manifest.ts'
import {revisionSpecSchema} from '../../src/core/protocol/revisions.ts'
import {manifestOf} from '../../src/developer/read-manifest.ts'

const RUNS = process.env.CREO_TEST_TIER === 'long' ? 100_000 : 500
const VALID_SHARE_MIN = 0.3
const TIMEOUT_MS = process.env.CREO_TEST_TIER === 'long' ? 1_500_000 : 60_000

const names = ['site', 'api', 'worker', 'night-job']
const name = fc.constantFrom(...names)
const amount = fc.oneof(fc.constantFrom('0', '0.5', '2000', '1'), fc.nat(1000))
const reward = fc.record({
  incentive: fc.constantFrom('colibris/LEAF', 'colibris/COIN'),
  perMillion: fc.record({requests: amount, mibMs: amount, standbyMs: amount}, {requiredKeys: []}),
  dailyBudget: fc.nat(5000)
})
const cron = fc.record(
  {
    schedule: fc.constantFrom('* * * * *', '*/15 * * * *', '0 6 * * mon-fri', '5 4 1,15 jan-jun 0'),
    path: fc.constantFrom('/', '/tick?a=1'),
    method: fc.constantFrom('GET', 'POST'),
    timezone: fc.constantFrom('UTC', 'Africa/Nairobi')
  },
  {requiredKeys: ['schedule', 'path']}
)
const settings = fc.record(
  {
    command: fc.array(fc.string({maxLength: 20}), {maxLength: 4}),
    port: fc.integer({min: 1024, max: 65_535}),
    memory: fc.constantFrom('16MiB', '128MiB', '1GiB', '1.5 GiB'),
    cpu: fc.constantFrom(0.1, '0.5', 2),
    concurrency: fc.integer({min: 1, max: 1000}),
    timeout: fc.constantFrom('100ms', '30s', '1h'),
    scale: fc.record({min: fc.integer({min: 0, max: 3}), max: fc.integer({min: 3, max: 1000})}, {requiredKeys: []}),
    env: fc.dictionary(fc.constantFrom('A', 'LONG_NAME', '_x1'), fc.oneof(fc.string(), fc.nat(), fc.boolean())),
    egress: fc.array(fc.constantFrom('example.org', 'coordinator.internal'), {maxLength: 2}),
    calls: fc.constantFrom([], ['site']),
    health: fc.constantFrom('/', '/ready'),
    architectures: fc.subarray(['amd64', 'arm64'], {minLength: 1}),
    secrets: fc.subarray(['API_KEY', 'DB_URL']),
    cron: fc.array(cron, {maxLength: 2}),
    owners: fc.subarray(['ann', 'bob'], {minLength: 1}),
    ownerShareMax: fc.integer({min: 1, max: 100}),
    rewards: fc.array(reward, {maxLength: 2})
  },
  {requiredKeys: []}
)
const manifest = fc.record({
  app: fc.constantFrom('shop', 'a1'),
  org: fc.constantFrom('colibris', 'ex-change'),
  routes: fc.array(fc.record({path: fc.constantFrom('/', '/api', '/x/y'), function: fc.constant('site')}), {minLength: 1, maxLength: 3}),
  functions: fc
    .dictionary(name, settings, {maxKeys: 3})
    .map((fns) => Object.fromEntries(Object.entries({site: {}, ...fns}).map(([key, fn]) => [key, {...fn, source: `./${key}`}])))
})

/** What replaces a value of a document somewhere. */
const anything = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.double(),
  fc.constantFrom(null, true, [], {}, '-1', '1e9', '__proto__', '~', 'constructor'),
  fc.jsonValue({maxDepth: 2})
)

type Path = readonly number[]
const mutation = fc.record({
  path: fc.array(fc.nat(8), {minLength: 1, maxLength: 6}),
  how: fc.constantFrom('replace', 'remove', 'rename', 'add'),
  value: anything,
  key: fc.oneof(fc.string(), fc.constantFrom('__proto__', 'memroy', 'imgae', 'toString'))
})

/** Changes one place, found by walking down as far as there is something to walk. */
function mutated(document: unknown, [index = 0, ...deeper]: Path, change: {how: string; value: unknown; key: string}): unknown {
  if (typeof document !== 'object' || document === null) return change.value
  const entries = Object.entries(document)
  const at = entries.length === 0 ? 0 : index % entries.length
  const changed = entries.flatMap(([key, value], place): [string, unknown][] => {
    if (place !== at) return [[key, value]]
    if (deeper.length > 0) return [[key, mutated(value, deeper, change)]]
    if (change.how === 'remove') return []
    if (change.how === 'rename') return [[change.key, value]]
    return change.how === 'add'
      ? [
          [key, value],
          [change.key, change.value]
        ]
      : [[key, change.value]]
  })
  return Array.isArray(document) ? changed.map(([, value]) => value) : Object.fromEntries(changed)
}

const edit = fc.record({
  at: fc.nat(2000),
  remove: fc.nat(6),
  insert: fc.oneof(
    fc.string({maxLength: 8}),
    fc.constantFrom('\n', '  ', '- ', ': ', '&a ', '*a', '\t', '---\n', '{', '"', '#', '!!x ', '<<: ', '\u0000')
  )
})

const text = fc.oneof(
  {weight: 4, arbitrary: manifest.map((document) => stringify(document))},
  {
    weight: 3,
    arbitrary: fc
      .tuple(manifest, fc.array(mutation, {minLength: 1, maxLength: 3}))
      .map(([document, changes]) => stringify(changes.reduce<unknown>((sum, change) => mutated(sum, change.path, change), document)))
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(manifest, fc.array(edit, {minLength: 1, maxLength: 3}))
      .map(([document, edits]) =>
        edits.reduce(
          (sum, {at, remove, insert}) => sum.slice(0, at % (sum.length + 1)) + insert + sum.slice((at % (sum.length + 1)) + remove),
          stringify(document)
        )
      )
  },
  {weight: 1, arbitrary: fc.string({maxLength: 300})}
)

it(
  'is read or refused with a code, a place and a hint, whatever stands in the file',
  () => {
    let valid = 0
    fc.assert(
      fc.property(text, (yaml) => {
        try {
          const {manifest: read} = manifestOf(yaml, 'creo.yaml')
          valid += 1
          for (const fn of Object.values(read.functions)) {
            const spec = toRevisionSpec(
              fn,
              () => 6,
              () => `acc_${'0'.repeat(32)}`
            )
            expect(revisionSpecSchema.safeEncode(spec).error?.issues).toBeUndefined()
          }
        } catch (error) {
          if (!isCreoError(error) || error.code !== 'invalid_manifest') throw error
          expect(error.message).toMatch(/^creo\.yaml(:\d+:\d+: \S| has too many aliases)/)
          expect(error.hint).toMatch(/\S/)
        }
      }),
      {numRuns: RUNS}
    )
    expect(valid / RUNS).toBeGreaterThan(VALID_SHARE_MIN)
  },
  TIMEOUT_MS
)
