import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {COMMAND_SIGNERS} from '../../src/core/exchange/authorise.ts'
import {INVITES_OPEN_MAX, INVITES_PER_ACCOUNT_MAX, NODE_TOKENS_OPEN_MAX, RECOVERY_DELAY_MS} from '../../src/core/exchange/limits.ts'
import {type KeyRole, keyRoles} from '../../src/core/protocol/account-keys.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {deployOf, HOUR_MS, hexOf, World} from './world.ts'

const RUNS = (process.env.CREO_TEST_TIER ?? 'short') === 'short' ? 100 : 2000
const STEPS = 60
/** Of which the last four accept invitations. */
const KEYS = 14
const PUBLIC_KEY = 'A'.repeat(43)
const PROOF = 'A'.repeat(86)
const idOf = (name: string): string => hexOf(`key of ${name}`)
const publicPart = {publicKey: PUBLIC_KEY, proof: PROOF}

function acme(changes: ConstructorParameters<typeof World>[0] = {}): World {
  const world = new World(changes)
  world.account('acme', [
    {key: 'owner', roles: ['owner']},
    {key: 'paper', roles: ['recovery']}
  ])
  return world
}

const keysOf = (world: World, name = 'acme'): string[] =>
  (world.machine.state.accountsByName.get(name)?.keys ?? []).map(({keyId, roles}) => `${keyId} ${roles.join(',')}`)

const add = (key: string, roles: KeyRole[]): [CommandBody, {key: string; bodyKeyIds: string[]}] => [
  {type: 'key.add', ...publicPart, roles},
  {key: 'owner', bodyKeyIds: [idOf(key)]}
]
const rotate = (from: string, to: string): [CommandBody, {key: string; bodyKeyIds: string[]}] => [
  {type: 'key.rotate', keyId: idOf(from), ...publicPart},
  {key: from, bodyKeyIds: [idOf(to)]}
]
const revoke = (key: string): CommandBody => ({type: 'key.revoke', keyId: idOf(key)})
const recover = {type: 'recovery.start', ...publicPart} as const
const invite = (world: World, roles: KeyRole[] = ['deployer'], lifetimeMs = HOUR_MS): CommandBody => ({
  type: 'key.invite',
  inviteKey: PUBLIC_KEY,
  roles,
  expiresAtMs: world.nowMs + lifetimeMs
})
const accept = (world: World): CommandBody => ({
  type: 'key.accept',
  account: world.id('acme'),
  publicKey: PUBLIC_KEY,
  inviteKey: PUBLIC_KEY,
  inviteProof: PROOF
})
const accepting = (key: string, invitation: string) => ({as: 'new', key, bodyKeyIds: [idOf(key), idOf(invitation)]})

describe('the keys of an account', () => {
  it('are added, replaced in one step and taken away, and sign from and until then', () => {
    const world = acme()
    const deploy = deployOf()
    expect(world.try('acme', deploy, {key: 'ci'})).toBe('forbidden')
    world.must('acme', ...add('ci', ['deployer']))
    expect(world.try('acme', deploy, {key: 'ci'})).not.toBe('forbidden')
    world.must('acme', {type: 'key.rotate', keyId: idOf('ci'), ...publicPart}, {key: 'owner', bodyKeyIds: [idOf('ci-two')]})
    expect(world.try('acme', deploy, {key: 'ci'})).toBe('forbidden')
    expect(world.try('acme', deploy, {key: 'ci-two'})).not.toBe('forbidden')
    world.must('acme', revoke('ci-two'), {key: 'owner'})
    expect(world.try('acme', deploy, {key: 'ci-two'})).toBe('forbidden')
    expect(keysOf(world)).toEqual([`${idOf('owner')} owner`, `${idOf('paper')} recovery`])
  })

  it('always have an owner among them, who may replace itself', () => {
    const world = acme()
    expect(world.try('acme', revoke('owner'), {key: 'owner'})).toBe('conflict')
    world.must('acme', ...rotate('owner', 'owner-two'))
    expect(world.try('acme', revoke('owner-two'), {key: 'owner'})).toBe('forbidden')
    expect(world.try('acme', revoke('nobody'), {key: 'owner-two'})).toBe('not_found')
  })

  it('belong to one account alone, also while one is only on its way to be a key', () => {
    const world = acme()
    world.account('bolt')
    expect(world.try('acme', ...add('bolt', ['viewer']))).toBe('conflict')
    expect(world.try('acme', ...rotate('owner', 'bolt'))).toBe('conflict')
    world.must('acme', recover, {key: 'paper', bodyKeyIds: [idOf('new owner')]})
    expect(world.try('bolt', {type: 'key.add', ...publicPart, roles: ['viewer']}, {bodyKeyIds: [idOf('new owner')]})).toBe('conflict')
    const create = {type: 'account.create', name: 'squat', keys: [{publicKey: PUBLIC_KEY, roles: ['owner']}]} as const
    const body = {...create, keys: create.keys.map((key) => ({...key, roles: [...key.roles]}))}
    expect(world.try('new owner', body, {as: 'new', bodyKeyIds: [idOf('new owner')]})).toBe('conflict')
  })

  it('are gone with all that they began once they are taken away', () => {
    const world = acme()
    world.must('acme', ...add('stolen', ['owner']))
    expect(world.try('acme', invite(world, ['owner']), {key: 'stolen', bodyKeyIds: [idOf('stolen')]})).toBe('conflict')
    for (const [by, token] of [
      ['stolen', 'of the thief'],
      ['owner', 'of the owner']
    ] as const) {
      world.must('acme', invite(world, ['owner']), {key: by, bodyKeyIds: [idOf(token)]})
    }
    // A key whose id is an open invitation's goes with it.
    world.must('acme', invite(world, ['owner']), {key: 'owner', bodyKeyIds: [idOf('both')]})
    world.must('acme', ...add('both', ['owner']))
    for (const key of ['stolen', 'both']) world.must('acme', revoke(key), {key: 'owner'})
    expect(keysOf(world)).toEqual([`${idOf('owner')} owner`, `${idOf('paper')} recovery`])
    world.must('acme', invite(world, ['owner']), {key: 'owner', bodyKeyIds: [idOf('again')]})
    world.must('acme', ...add('again', ['owner']))
    world.must('acme', ...rotate('again', 'rotated'))
    for (const token of ['of the thief', 'both', 'again'])
      expect(world.try('thief', accept(world), accepting('thief', token))).toBe('not_found')
    world.must('acme', ...rotate('owner', 'owner-two'))
    expect(world.try('thief', accept(world), accepting('thief', 'of the owner'))).toBe('not_found')
    expect(world.machine.state.invitesByKey.size).toBe(0)
  })

  it('are sixteen at most', () => {
    const world = acme()
    for (let count = 2; count < 16; count += 1) world.must('acme', ...add(`key ${count}`, ['viewer']))
    expect(world.try('acme', ...add('one more', ['viewer']))).toBe('rejected')
    world.must('acme', invite(world), {key: 'owner', bodyKeyIds: [idOf('token')]})
    expect(world.try('guest', accept(world), accepting('guest', 'token'))).toBe('rejected')
  })
})

describe('an invitation', () => {
  it('adds the key that accepts it, once, with the roles that it names', () => {
    const world = acme()
    world.must('acme', invite(world, ['deployer', 'viewer']), {key: 'owner', bodyKeyIds: [idOf('token')]})
    expect(world.try('guest', accept(world), {...accepting('guest', 'token'), key: 'thief'})).toBe('forbidden')
    expect(world.try('guest', accept(world), accepting('guest', 'other token'))).toBe('not_found')
    world.must('guest', accept(world), accepting('guest', 'token'))
    expect(keysOf(world)).toContain(`${idOf('guest')} deployer,viewer`)
    expect(world.try('second', accept(world), accepting('second', 'token'))).toBe('not_found')
  })

  it('ends with its time, or when it is withdrawn, and never makes a recovery key', () => {
    const world = acme()
    world.must('acme', invite(world), {key: 'owner', bodyKeyIds: [idOf('token')]})
    world.must('acme', invite(world), {key: 'owner', bodyKeyIds: [idOf('withdrawn')]})
    world.must('acme', revoke('withdrawn'), {key: 'owner'})
    expect(world.try('guest', accept(world), accepting('guest', 'withdrawn'))).toBe('not_found')
    world.nowMs += HOUR_MS
    expect(world.try('guest', accept(world), accepting('guest', 'token'))).toBe('expired')
    world.must('coordinator', {type: 'time.advance'})
    expect(world.machine.state.invitesByKey.size).toBe(0)
    expect(world.effects.at(-1)).toEqual({type: 'account.keys', id: world.id('acme'), keys: expect.any(Array)})
    expect(world.try('acme', invite(world, ['recovery']), {key: 'owner', bodyKeyIds: [idOf('t')]})).toBe('invalid_input')
    expect(world.try('acme', invite(world, ['viewer'], 32 * 24 * HOUR_MS), {key: 'owner', bodyKeyIds: [idOf('t')]})).toBe('invalid_input')
  })

  it('is one of a bounded number', () => {
    const world = acme()
    for (let count = 0; count < INVITES_PER_ACCOUNT_MAX; count += 1) {
      world.must('acme', invite(world), {key: 'owner', bodyKeyIds: [idOf(`token ${count}`)]})
    }
    expect(world.try('acme', invite(world), {key: 'owner', bodyKeyIds: [idOf('one more')]})).toBe('rejected')
  })
})

it('leaves accounts that have none room for an invitation and a join token when all others fill theirs', () => {
  const world = new World({}, {checks: false})
  for (const name of ['acme', 'bolt']) world.account(name)
  const {invitesByKey, nodeTokens} = world.machine.state
  const token = (name: string): CommandBody => ({type: 'node.token', tokenHash: hexOf(name, 64), expiresAtMs: world.nowMs + HOUR_MS})
  for (const body of [invite(world), token('first')]) world.must('acme', body, {bodyKeyIds: [idOf('first')]})
  for (let count = 1; count < INVITES_OPEN_MAX; count += 1) invitesByKey.set(`other ${count}`, -1)
  for (let count = 1; count < NODE_TOKENS_OPEN_MAX; count += 1) nodeTokens.set(`other ${count}`, {account: -1, expiresAtMs: Infinity})
  expect(world.try('acme', invite(world), {bodyKeyIds: [idOf('second')]})).toBe('overloaded')
  expect(world.try('acme', token('second'))).toBe('overloaded')
  expect(world.try('bolt', invite(world), {bodyKeyIds: [idOf('second')]})).toBe('applied')
  expect(world.try('bolt', token('second'))).toBe('applied')
})

describe('a recovery', () => {
  it('puts its key in the place of the owner keys after the delay, and only then', () => {
    const world = acme()
    world.must('acme', ...add('ci', ['deployer']))
    world.must('acme', recover, {key: 'paper', bodyKeyIds: [idOf('new owner')]})
    world.nowMs += RECOVERY_DELAY_MS - 1
    world.must('coordinator', {type: 'time.advance'})
    expect(keysOf(world)).toContain(`${idOf('owner')} owner`)
    expect(world.try('acme', ...add('x', ['viewer']))).toBe('applied')
    expect(world.try('acme', revoke('x'), {key: 'new owner'})).toBe('forbidden')
    world.nowMs += 1
    world.must('coordinator', {type: 'time.advance'})
    const left = [`${idOf('paper')} recovery`, `${idOf('ci')} deployer`, `${idOf('x')} viewer`]
    expect(keysOf(world)).toEqual([...left, `${idOf('new owner')} owner`])
    expect(world.try('acme', revoke('x'), {key: 'owner'})).toBe('forbidden')
    expect(world.try('acme', revoke('x'), {key: 'new owner'})).toBe('applied')
  })

  it('ends invitations and every other right to recover, which a thief of an owner key may have made', () => {
    const world = acme()
    world.must('acme', ...add('second paper', ['recovery']))
    world.must('acme', ...add('mixed', ['deployer', 'recovery']))
    world.must('acme', ...add('strong', ['owner', 'recovery']))
    world.must('acme', recover, {key: 'paper', bodyKeyIds: [idOf('new owner')]})
    world.must('acme', invite(world, ['owner'], 30 * 24 * HOUR_MS), {key: 'owner', bodyKeyIds: [idOf('token')]})
    world.nowMs += RECOVERY_DELAY_MS
    world.must('coordinator', {type: 'time.advance'})
    expect(keysOf(world)).toEqual([`${idOf('paper')} recovery`, `${idOf('mixed')} deployer`, `${idOf('new owner')} owner`])
    expect(world.try('thief', accept(world), accepting('thief', 'token'))).toBe('not_found')
    expect(world.effects.at(-1)).not.toHaveProperty('invites')
  })

  it.each([
    ['owner', 2],
    ['viewer', 16]
  ] as const)('of an account with sixteen keys, all but the first with the role %s, leaves %i', (role, left) => {
    const world = new World()
    const others = Array.from({length: 15}, (_, index) => ({key: `key ${index}`, roles: [role]}))
    world.account('acme', [{key: 'first', roles: ['owner', 'recovery']}, ...others])
    world.must('acme', recover, {key: 'first', bodyKeyIds: [idOf('new owner')]})
    world.nowMs += RECOVERY_DELAY_MS
    world.must('coordinator', {type: 'time.advance'})
    expect(keysOf(world)).toHaveLength(left)
    expect(keysOf(world).at(-1)).toBe(`${idOf('new owner')} owner`)
  })

  it('is begun by the recovery key alone, one at a time, and cancelled by any owner', () => {
    const world = acme({recoveryDelayMs: 5000})
    world.must('acme', ...add('ci', ['deployer']))
    for (const key of ['owner', 'ci']) expect(world.try('acme', recover, {key, bodyKeyIds: [idOf('new owner')]})).toBe('forbidden')
    expect(world.try('acme', {type: 'recovery.cancel'}, {key: 'owner'})).toBe('not_found')
    world.must('acme', recover, {key: 'paper', bodyKeyIds: [idOf('new owner')]})
    expect(world.try('acme', recover, {key: 'paper', bodyKeyIds: [idOf('other')]})).toBe('conflict')
    for (const key of ['ci', 'paper']) expect(world.try('acme', {type: 'recovery.cancel'}, {key})).toBe('forbidden')
    world.must('acme', {type: 'recovery.cancel'}, {key: 'owner'})
    world.nowMs += 5000
    world.must('coordinator', {type: 'time.advance'})
    expect(keysOf(world)[0]).toBe(`${idOf('owner')} owner`)
  })

  it.each(['revoke', 'rotate'])('ends when its recovery key is taken away by %s', (how) => {
    const world = acme()
    world.must('acme', recover, {key: 'paper', bodyKeyIds: [idOf('new owner')]})
    const [rotating] = rotate('paper', 'paper-two')
    world.must('acme', how === 'revoke' ? revoke('paper') : rotating, {key: 'owner', bodyKeyIds: [idOf('paper-two')]})
    expect(world.machine.state.recoveringKeys.size).toBe(0)
  })
})

/** Numbers that one random command is made of. */
const numbers = fc.record({
  kind: fc.nat(7),
  who: fc.nat(1),
  signer: fc.nat(9),
  key: fc.nat(KEYS - 1),
  roles: fc.uniqueArray(fc.constantFrom(...keyRoles), {minLength: 1, maxLength: 3}),
  waitMs: fc.nat(4000)
})
type Numbers = typeof numbers extends fc.Arbitrary<infer T> ? T : never

function randomCommand(world: World, who: string, n: Numbers): CommandBody {
  const keyId = idOf(`k${n.key}`)
  const bodies: readonly CommandBody[] = [
    {type: 'key.add', ...publicPart, roles: n.roles},
    {type: 'key.revoke', keyId},
    {type: 'key.rotate', keyId: idOf(`k${(n.key + 1) % KEYS}`), ...publicPart},
    {type: 'key.invite', inviteKey: PUBLIC_KEY, roles: n.roles, expiresAtMs: world.nowMs + 1 + 10 * n.waitMs},
    recover,
    {type: 'recovery.cancel'},
    {type: 'key.accept', account: world.id(who), publicKey: PUBLIC_KEY, inviteKey: PUBLIC_KEY, inviteProof: PROOF},
    {type: 'time.advance'}
  ]
  return bodies[n.kind] ?? {type: 'time.advance'}
}

/** The key signs for the account no more, and nothing that it made leads to a key of the account. */
function expectGone(world: World, who: string, keyId: string): void {
  const {state} = world.machine
  const {invites = [], recovery} = state.accountsByName.get(who) ?? {}
  expect(state.accountsByKey.get(keyId)?.account.name, keyId).not.toBe(who)
  expect(invites.filter((invite) => invite.keyId === keyId || invite.madeBy === keyId)).toEqual([])
  expect(recovery?.startedBy).not.toBe(keyId)
}

/** Every other time one who may, so that enough is applied. */
function signerOf(world: World, who: string, signer: number): string {
  const owner = world.machine.state.accountsByName.get(who)?.keys.find(({roles}) => roles.includes('owner'))?.keyId
  const names = Array.from({length: KEYS}, (_, index) => `k${index}`)
  return (signer % 2 === 0 && names.find((name) => idOf(name) === owner)) || `k${signer}`
}

describe('any key commands in any order', () => {
  it('leave every account an owner, and are taken from the keys and roles of the moment and from no others', () => {
    const applied = new Set<string>()
    fc.assert(
      fc.property(fc.array(numbers, {minLength: STEPS, maxLength: STEPS}), (steps) => {
        const world = new World({recoveryDelayMs: 10_000})
        for (const [index, name] of ['acme', 'bolt'].entries()) {
          const own = index * 5
          world.account(name, [
            {key: `k${own}`, roles: ['owner']},
            {key: `k${own + 1}`, roles: ['recovery']}
          ])
        }
        for (const n of steps) {
          world.nowMs += n.waitMs
          const who = n.who === 0 ? 'acme' : 'bolt'
          const body = randomCommand(world, who, n)
          const key = body.type === 'key.accept' ? `k${KEYS - 1 - (n.signer % 4)}` : signerOf(world, who, n.signer)
          if (body.type === 'time.advance') {
            world.must('coordinator', body)
            continue
          }
          const held = world.machine.state.accountsByName.get(who)?.keys.find(({keyId}) => keyId === idOf(key))
          const before = world.machine.stateText().split('\n').slice(1)
          const invited = world.machine.state.accountsByName.get(who)?.invites?.[0]?.keyId ?? idOf(`k${n.key}`)
          const options = {key, bodyKeyIds: body.type === 'key.accept' ? [idOf(key), invited] : [idOf(`k${n.key}`)]}
          // Invariants, an owner for every account among them, are asserted after each command.
          const said = world.try(who, body, body.type === 'key.accept' ? {...options, as: 'new'} : options)
          if (said === 'applied') applied.add(body.type)
          else expect(world.machine.stateText().split('\n').slice(1)).toEqual(before)
          if (said === 'applied' && (body.type === 'key.revoke' || body.type === 'key.rotate')) expectGone(world, who, body.keyId)
          if (body.type === 'key.accept') continue
          const signers = COMMAND_SIGNERS[body.type]
          const roles: readonly KeyRole[] = signers === 'recovery' ? ['recovery'] : ['owner', ...(signers as readonly KeyRole[])]
          expect(said !== 'forbidden', `${body.type} by ${held?.roles.join(',')}`).toBe(
            held?.roles.some((role) => roles.includes(role)) ?? false
          )
        }
      }),
      {numRuns: RUNS}
    )
    expect([...applied].sort()).toEqual(
      ['key.accept', 'key.add', 'key.invite', 'key.revoke', 'key.rotate', 'recovery.cancel', 'recovery.start'].sort()
    )
  })
})
