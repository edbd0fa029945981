import {readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import {openUserConfig} from '../../src/config/user-config.ts'
import {loadKeyFile} from '../../src/identity/keys.ts'
import {creo} from '../support/processes.ts'
import {CliWorld} from './cli-world.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator()
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
  await world.must('account', 'create', 'creometry', '--operator-key', join(world.folder, 'coordinator', 'operator.key'))
  for (const name of ['colibris', 'ana']) await world.must('account', 'create', name)
})
afterAll(() => world.close())

async function allot(account: string, amountMicroGutta: number): Promise<void> {
  const {coordinatorKey} = openUserConfig(world.env).context()
  const key = await loadKeyFile(join(world.folder, 'coordinator', 'operator.key'))
  const client = createClient({
    coordinatorUrl: world.coordinatorUrl,
    networkId: world.networkId,
    coordinatorKey,
    now: Date.now,
    key,
    account: 'operator'
  })
  const {id} = await client.account(account)
  await client.submit({type: 'allot', account: id, amountMicroGutta})
  await client.close()
}

const LEAF = 'colibris/LEAF'
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAQAAAADAQMAAACOOjyFAAAAA1BMVEULa0q7L8jZAAAAC0lEQVQI12NgAAEAAAYAAWb0yWwAAAAASUVORK5CYII=',
  'base64'
)
const OFFER = ['--offer', 'Delivery', '--offer-price', '2', '--offer-stock', '5']

it('goes from an account to an issued, traded and redeemed incentive, and the ledger holds', async () => {
  expect(await world.must('account', 'create', 'ana')).toMatchObject({name: 'ana', status: 'already_exists'})
  const issued = await world.must(
    'incentive',
    'issue',
    'LEAF',
    '--supply',
    '1000',
    '--limit',
    '100',
    '--owner-share',
    '100',
    ...OFFER,
    '--as',
    'colibris'
  )
  expect(issued).toMatchObject({incentive: LEAF, offer: expect.stringMatching(/^off_\d+$/)})
  await world.must('incentive', 'fund', LEAF, '200.5', '--as', 'colibris')
  expect((await world.must('incentive', 'list')).incentives).toMatchObject([{incentive: LEAF, supply: '1000', lot: '1', limitGutta: '100'}])
  await allot('ana', 10_000_000)
  const terms = await world.must('network', 'show')
  expect(terms).toMatchObject({networkId: world.networkId, network: 'development', makerFeePercent: '0', takerFeePercent: '0.2'})

  const sold = await world.must('trade', 'sell', LEAF, '10', '--price', '0.5', '--as', 'colibris')
  expect(sold).toMatchObject({status: 'open', filled: '0', remaining: '10', price: '0.5', reason: null})
  expect(await world.must('trade', 'book', LEAF)).toMatchObject({asks: [{price: '0.5', amount: '10'}], bids: []})
  const limit = (gutta: string) => world.must('incentive', 'limit', LEAF, gutta, '--as', 'colibris')
  expect(await limit('0.499999')).toMatchObject({warning: expect.stringContaining('costs 0.5 Gutta')})
  expect(await limit('0.5')).toMatchObject({warning: null})
  const shared = await world.must('incentive', 'limit', LEAF, '1', '--owner-share', '25', '--as', 'colibris')
  expect(shared).toMatchObject({ownerSharePercent: 25, warning: expect.stringContaining('share')})
  expect(await limit('100')).toMatchObject({limitGutta: '100', ownerSharePercent: 25, warning: null})
  expect(await world.must('trade', 'buy', LEAF, '4', '--market', '--as', 'ana')).toMatchObject({status: 'filled', filled: '4'})
  expect(await world.must('trade', 'book', LEAF)).toMatchObject({last: '0.5', day: {amount: '4', gutta: '2', trades: 1, changePercent: 0}})
  expect((await world.must('trade', 'history', LEAF)).trades).toMatchObject([{price: '0.5', amount: '4', side: 'buy'}])
  expect((await world.must('trade', 'history', LEAF, '--span', '1d')).candles).toMatchObject([
    {open: '0.5', close: '0.5', amount: '4', trades: 1}
  ])
  const bid = await world.must('trade', 'buy', LEAF, '1', '--price', '0.25', '--post-only', '--as', 'ana')
  const raised = await world.must('trade', 'replace', String(bid.order), '--amount', '2', '--price', '0.3', '--as', 'ana')
  expect(raised).toMatchObject({order: bid.order, price: '0.3', amount: '2', status: 'open', keptPriority: false})
  expect(await world.must('trade', 'replace', String(bid.order), '--amount', '1', '--as', 'ana')).toMatchObject({keptPriority: true})
  expect(await world.must('trade', 'cancel', String(bid.order), '--as', 'ana')).toEqual({cancelled: [bid.order]})
  expect(await world.must('trade', 'cancel', '--all', '--as', 'colibris')).toEqual({cancelled: [sold.order]})
  expect((await world.must('trade', 'orders', '--as', 'colibris')).orders).toMatchObject([
    {order: sold.order, status: 'cancelled', filled: '4'}
  ])

  const file = join(world.folder, 'leaf.png')
  await writeFile(file, PNG)
  const pictured = await world.must('offer', 'edit', String(issued.offer), '--picture', file, '--as', 'colibris')
  expect(pictured.picture).toMatch(/^sha256:[0-9a-f]{64}$/)
  const saved = join(world.folder, 'saved.png')
  expect(await world.must('offer', 'picture', String(issued.offer), '--output', saved)).toMatchObject({
    type: 'image/png',
    width: 4,
    file: saved
  })
  expect(await readFile(saved)).toEqual(PNG)
  expect((await world.run('offer', 'picture', String(issued.offer), '--output', saved)).stderr).toContain('already')
  expect(
    (
      await world.run(
        'offer',
        'edit',
        String(issued.offer),
        '--picture',
        join(world.folder, 'coordinator', 'operator.key'),
        '--as',
        'colibris'
      )
    ).stderr
  ).toContain('PNG')

  const {redemption, code} = await world.must('redeem', String(issued.offer), '--as', 'ana')
  expect(await world.must('redemption', 'show', String(redemption), '--as', 'ana')).toMatchObject({redemption, code, status: 'held'})
  expect((await world.must('redemption', 'list', '--status', 'held')).redemptions).toMatchObject([{redemption, amount: '2', quantity: 1}])
  const typed = String(code).toLowerCase().replaceAll('-', ' ')
  expect(await world.must('redemption', 'capture', typed, '--as', 'colibris')).toMatchObject({redemption, status: 'captured'})
  expect((await world.run('redemption', 'capture', typed, '--as', 'colibris')).stderr).toContain(
    'No redemption that waits at colibris has that code.'
  )
  expect((await world.must('account', 'balance', 'ana')).balances).toContainEqual({asset: LEAF, kind: 'available', amount: '2'})
  expect((await world.must('offer', 'list', LEAF)).offers).toMatchObject([{item: 'Delivery', price: '2', stock: 4}])

  const cheaper = await world.must('offer', 'edit', String(issued.offer), '--price', '1', '--stop', '--as', 'colibris')
  expect(cheaper).toMatchObject({offer: issued.offer, price: '1', stock: 4, stopped: true})
  expect((await world.run('redeem', String(issued.offer), '--as', 'ana')).stderr).toContain('is offered no longer')
  await world.must('offer', 'edit', String(issued.offer), '--resume', '--as', 'colibris')
  expect((await world.run('redeem', String(issued.offer), '--price', '0.5', '--as', 'ana')).stderr).toContain(
    `${issued.offer} costs 1 ${LEAF} by now, more than 0.5.`
  )
  const two = [
    await world.must('redeem', String(issued.offer), '--as', 'ana'),
    await world.must('redeem', String(issued.offer), '--as', 'ana')
  ]
  const release = ['redemption', 'release', '--reason', 'Sold by mistake.', '--as', 'colibris']
  const input = `${two[0]?.code}\n${two[0]?.redemption} red_99999\n7p8m-x9tw\n`
  const piped = await creo([...release, '-', '--json'], {env: world.env, cwd: world.folder, input})
  expect(JSON.parse(piped.stdout)).toMatchObject({
    ended: [{redemption: two[0]?.redemption}],
    failed: [
      {redemption: '7p8m-x9tw', code: 'invalid_input'},
      {redemption: 'red_99999', code: 'not_found'}
    ]
  })
  const sorry = await world.must(...release, '--all', '--offer', String(issued.offer))
  expect(sorry.ended).toMatchObject([{redemption: two[1]?.redemption}])
  expect(await world.must('redemption', 'show', String(two[0]?.redemption), '--as', 'ana')).toMatchObject({
    status: 'released',
    reason: 'Sold by mistake.',
    code: two[0]?.code
  })

  const none = await world.run('redemption', 'release', '--all', '--offer', 'off_99999', '--as', 'colibris')
  expect([none.code, none.stderr]).toEqual([4, expect.stringContaining('colibris has no offer off_99999.')])
  const ofOffer = ['redemption', 'list', '--offer', String(issued.offer), '--limit', '2']
  const newest = await world.must(...ofOffer)
  expect((newest.redemptions as {redemption: string}[]).map((row) => row.redemption)).toEqual(two.map((one) => one.redemption).reverse())
  expect(await world.must(...ofOffer, '--cursor', String(newest.next))).toMatchObject({redemptions: [{redemption}], next: null})

  const {entries} = await world.must('account', 'history', 'ana', '--asset', LEAF)
  expect((entries as object[]).slice(-4)).toMatchObject([
    {command: 'redemption.capture', kind: 'held', change: '-2', balance: '0'},
    {command: 'redemption.request', kind: 'held', change: '2', balance: '2'},
    {command: 'redemption.request', kind: 'available', change: '-2', balance: '2'},
    {command: 'order.place', kind: 'available', change: '4', balance: '4'}
  ])
  const [{seq}] = (entries as {seq: number}[]).slice(-1) as [{seq: number}]
  expect(await world.must('account', 'balance', 'ana', '--at', String(seq))).toMatchObject({
    sequence: seq,
    balances: [{asset: LEAF, kind: 'available', amount: '4'}, {asset: 'gutta'}]
  })
  const csv = (await world.run('account', 'history', 'ana', '--limit', '1', '--csv')).stdout.split('\n')
  expect(csv).toEqual([
    'at,seq,command,asset,kind,change,balance,counterparty,memo',
    expect.stringMatching(/^[^,]+,\d+,redemption\.release,.*,,$/),
    ''
  ])

  const token = await world.must('node', 'token', '--as', 'ana')
  expect(token).toMatchObject({owner: 'ana', token: expect.stringMatching(/^acc_[0-9a-f]{32}\.[\w-]{43}$/)})
  expect(await world.must('ledger', 'verify', '--data', join(world.folder, 'coordinator'))).toMatchObject({holds: true})
})

it('pays another account once under one name, shows it on both sides, and gives on what was issued for that', async () => {
  await world.must('incentive', 'issue', 'GIFT', '--supply', '100', '--limit', '100', '--transferable', ...OFFER, '--as', 'colibris')
  await allot('ana', 5_000_000)
  const pay = ['account', 'pay', 'colibris', '2.5', 'Gutta', '--as', 'ana', '--memo', '=1+1, "tea"']
  const terms = {from: 'ana', to: 'colibris', asset: 'gutta', amount: '2.5', memo: '=1+1, "tea"'}
  expect(await world.must(...pay, '--dry-run')).toMatchObject({status: 'dry_run', transfer: null, seq: null, ...terms})
  const paid = await world.must(...pay, '--once', 'tea', '--yes')
  expect(paid).toMatchObject({status: 'paid', transfer: `tra_${paid.seq}`, ...terms})
  expect(await world.must(...pay, '--once', 'tea', '--yes')).toEqual(paid)
  const other = await world.json('account', 'pay', 'colibris', '1', 'gutta', '--as', 'ana', '--once', 'tea', '--yes')
  expect(other).toMatchObject({code: 3, json: {error: {code: 'idempotency_conflict', hint: expect.stringContaining('--once')}}})
  const last = ['--asset', 'gutta', '--limit', '1']
  const [ofPayer, ofPayee, csv, given, {incentives}] = await Promise.all([
    world.must('account', 'history', 'ana', ...last),
    world.must('account', 'history', 'colibris', ...last),
    world.run('account', 'history', 'ana', ...last, '--csv'),
    world.must('account', 'pay', 'ana', '3', 'colibris/GIFT', '--as', 'colibris', '--yes'),
    world.must('incentive', 'list')
  ])
  const said = {command: 'account.transfer', seq: paid.seq, memo: terms.memo}
  expect(ofPayer.entries).toMatchObject([{...said, change: '-2.5', counterparty: 'colibris'}])
  expect(ofPayee.entries).toMatchObject([{...said, change: '2.5', counterparty: 'ana'}])
  expect(csv.stdout).toContain(`,colibris,"'=1+1, ""tea"""\n`)
  expect(given).toMatchObject({left: '97'})
  const transferable = (incentives as {incentive: string; transferable: boolean}[]).map((row) => [row.incentive, row.transferable])
  expect(transferable).toEqual([
    ['colibris/GIFT', true],
    [LEAF, false]
  ])
})

it('swaps one incentive for another through Gutta, after a look at what it would come to', async () => {
  const issued = ['--supply', '100', '--limit', '100', ...OFFER, '--as', 'ana']
  await world.must('incentive', 'issue', 'NUT', ...issued)
  await world.must('trade', 'sell', 'ana/NUT', '10', '--price', '0.25', '--as', 'ana')
  await allot('ana', 10_000_000)
  await world.must('trade', 'buy', LEAF, '10', '--price', '0.6', '--as', 'ana')
  const swap = ['trade', 'swap', LEAF, 'ana/NUT', '--as', 'colibris']
  const seen = {sent: '2', delivered: '4', worst: '3', soldFor: '1.2', boughtFor: '1', fee: '0.0044', left: '0.1956'}
  expect(await world.must(...swap, '--send', '2', '--dry-run')).toMatchObject({swap: null, ...seen})
  expect(await world.must(...swap, '--send', '2')).toMatchObject({swap: expect.stringMatching(/^swap_\d+$/), ...seen})
  expect(await world.must(...swap, '--receive', '2', '--worst', '1')).toMatchObject({sent: '1', delivered: '2'})
  const refused = await world.run(...swap, '--receive', '4', '--worst', '1', '--json')
  expect(refused.code).toBe(3)
  expect(JSON.parse(refused.stdout).error).toMatchObject({code: 'rejected', hint: expect.stringContaining('--worst')})
})

it('tells trades as they come, and ends after as many as were asked for', async () => {
  await world.must('trade', 'sell', LEAF, '100', '--price', '0.01', '--as', 'colibris')
  let hasEnded = false
  const watching = world.run('trade', 'watch', LEAF, '--count', '1', '--json').finally(() => {
    hasEnded = true
  })
  while (!hasEnded) await world.must('trade', 'buy', LEAF, '1', '--market', '--as', 'ana')
  const {code, stdout} = await watching
  expect(code).toBe(0)
  expect(JSON.parse(stdout.split('\n')[0] ?? '')).toMatchObject({price: '0.01', amount: '1', side: 'buy'})
})

it.each([
  ['an unknown incentive, with the nearest one', ['trade', 'book', 'colibris/LEEF'], 'not_found', 4, 'Did you mean colibris/LEAF?'],
  ['what is no incentive', ['trade', 'book', 'LEAF'], 'invalid_input', 2, 'Write ORG/CODE, for example colibris/LEAF.'],
  ['a limit of zero', ['incentive', 'limit', LEAF, '0', '--as', 'colibris'], 'invalid_input', 2, expect.any(String)],
  [
    'a limit below zero',
    ['incentive', 'issue', 'ROOT', '--supply', '1', '--limit=-1', ...OFFER, '--as', 'colibris'],
    'invalid_input',
    2,
    expect.any(String)
  ],
  ['more than one has', ['trade', 'buy', LEAF, '100000', '--price', '1', '--as', 'ana'], 'insufficient_funds', 3, expect.anything()],
  ['a fraction of a lot', ['trade', 'buy', LEAF, '0.5', '--price', '1', '--as', 'ana'], 'invalid_input', 2, 'Give a multiple of 1.'],
  ['an order without a price', ['trade', 'buy', LEAF, '1', '--as', 'ana'], 'usage', 2, 'Give --price, or --market to take what there is.'],
  ['funding what is not theirs', ['incentive', 'fund', LEAF, '1', '--as', 'ana'], 'forbidden', 3, expect.anything()],
  ['an account whose key is elsewhere', ['trade', 'orders', '--as', 'anna'], 'not_found', 4, 'Did you mean --as ana?'],
  ['an unknown offer', ['redeem', 'off_999', '--as', 'ana'], 'not_found', 4, 'creo offer list'],
  [
    'an offer that is named by its incentive',
    ['redeem', LEAF, '--as', 'ana'],
    'invalid_input',
    2,
    expect.stringMatching(/^Did you mean off_\d+, /)
  ],
  ['both an order and all of them', ['trade', 'cancel', 'ord_1', '--all', '--as', 'ana'], 'usage', 2, 'creo trade orders'],
  ['a replacement that changes nothing', ['trade', 'replace', 'ord_1', '--as', 'ana'], 'usage', 2, 'Give --price, --amount, or both.'],
  ['what is no order', ['trade', 'replace', 'LEAF', '--price', '1', '--as', 'ana'], 'invalid_input', 2, 'creo trade orders'],
  ['an order that there is not', ['trade', 'replace', 'ord_99999', '--price', '1', '--as', 'ana'], 'not_found', 4, 'creo trade orders'],
  ['a time that never comes', ['trade', 'buy', LEAF, '1', '--price', '1', '--tif', 'GTT', '--as', 'ana'], 'usage', 2, expect.any(String)],
  [
    'a swap of Gutta',
    ['trade', 'swap', LEAF, 'gutta', '--send', '1', '--as', 'ana'],
    'invalid_input',
    2,
    expect.stringContaining('trade sell')
  ],
  ['a swap with itself', ['trade', 'swap', LEAF, LEAF, '--send', '1', '--as', 'ana'], 'invalid_input', 2, expect.anything()],
  ['a swap of no size', ['trade', 'swap', LEAF, LEAF, '--as', 'ana'], 'usage', 2, 'Give --send AMOUNT or --receive AMOUNT.'],
  [
    'to give on what is not for that',
    ['account', 'pay', 'ana', '1', LEAF, '--as', 'colibris', '--yes'],
    'not_transferable',
    3,
    expect.stringContaining('creo trade sell')
  ],
  [
    'to pay without a yes, where nobody can be asked',
    ['account', 'pay', 'ana', '1', 'gutta', '--as', 'colibris'],
    'usage',
    2,
    'Give the answer with --yes.'
  ],
  ['a wrong flag', ['trade', 'buy', LEAF, '1', '--prize', '1'], 'usage', 2, expect.any(String)],
  ['a network of another id', ['network', 'join', 'SELF', '--id', 'ab'.repeat(32)], 'verification_failed', 1, expect.any(String)]
])('refuses %s', async (_, args, code, exit, hint) => {
  const said = await world.json(...args.map((arg) => (arg === 'SELF' ? world.coordinatorUrl : arg)))
  expect(said).toMatchObject({code: exit, json: {error: {code}}})
  expect((said.json.error as {hint?: string}).hint).toEqual(hint)
})
