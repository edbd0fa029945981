import {z} from 'zod'
import type Drain from '../../../src/commands/mine/drain.ts'
import type Install from '../../../src/commands/mine/install.ts'
import type Logs from '../../../src/commands/mine/logs.ts'
import type Offers from '../../../src/commands/mine/offers.ts'
import type SetTerms from '../../../src/commands/mine/set.ts'
import type Start from '../../../src/commands/mine/start.ts'
import type Status from '../../../src/commands/mine/status.ts'
import type Uninstall from '../../../src/commands/mine/uninstall.ts'
import {amount, answerOf, asset, count, time} from './form.ts'

const text = z.string().min(1)
const minor = z.string().regex(/^(0|[1-9]\d{0,15})$/)
const name = z.string()

const lends = z.strictObject({
  earn: z.array(text),
  cpu: amount,
  memoryBytes: count,
  functionsMax: count,
  diskBytes: count,
  dataBytesPerMonth: count.nullable(),
  hours: text.nullable(),
  onlyIdle: z.boolean(),
  onBattery: z.boolean()
})

const work = z.strictObject({
  function: name,
  perMillionRequests: amount,
  perGibHour: amount,
  perStandbyHour: amount,
  dailyBudget: amount,
  nodes: count,
  expectedPerDay: amount,
  mostPerDay: amount
})

const choice = z.strictObject({
  earn: text,
  name,
  buys: z.array(z.strictObject({offer: name, item: name, price: amount, stock: count, where: name})),
  redeemed: z.strictObject({
    captured: count,
    released: count,
    held: count,
    capturedShare: z.number().min(0).max(1).nullable(),
    medianMs: z.number().min(0).nullable()
  }),
  work: z.array(work),
  expectedPerDay: amount,
  mostPerDay: amount,
  bestBid: amount.nullable(),
  lastTrade: amount.nullable()
})

const status = z.strictObject({
  node: text,
  running: z.boolean(),
  draining: z.boolean(),
  lastHeartbeat: time.nullable(),
  heartbeatEveryMs: count,
  noWork: text.nullable(),
  lends,
  gateways: z.array(
    z.strictObject({
      id: text,
      name: text,
      connected: z.boolean(),
      roundTripMs: count.nullable(),
      leftUntil: time.nullable(),
      reachedAt: time.nullable(),
      reachedInMs: count.nullable(),
      unreachedSince: time.nullable()
    })
  ),
  leases: z.array(
    z.strictObject({
      id: text,
      function: text,
      ends: time,
      budgetEmpty: z.boolean(),
      imageReady: z.boolean(),
      imageProgress: z.strictObject({doneBytes: count, totalBytes: count}).nullable()
    })
  ),
  instances: z.array(z.strictObject({instance: text, revision: text, gateway: text})),
  resting: z.strictObject({frozen: count, initialised: count, created: count, memoryBytes: count}),
  earnings: z.array(
    z.strictObject({incentive: text, paid: amount.nullable(), pending: amount.nullable(), paidMinor: minor, pendingMinor: minor})
  ),
  owner: z.strictObject({account: text, available: z.array(z.strictObject({asset, amount}))}).nullable(),
  reputation: z
    .strictObject({
      standing: z.enum(['fair', 'poor']),
      score: z.number().min(0).max(100),
      gateways: count,
      reasons: z.array(text)
    })
    .nullable(),
  receiptsWaiting: count,
  receiptsRejected: z.array(z.strictObject({id: text, code: text, message: text})),
  dataMovedBytes: count,
  imageBytes: count,
  dataUsedBytes: count,
  diskUsedBytes: count
})

export const nodeLogLine = z.strictObject({at: text, level: text, message: name, facts: z.record(z.string(), z.unknown())})

export const miningShapes = {
  'mine drain': answerOf<Drain>()(z.strictObject({status: z.enum(['stopped', 'already_stopped'])})),
  'mine install': answerOf<Install>()(
    z.strictObject({
      status: z.enum(['installed', 'replaced', 'already_installed', 'printed']),
      path: text,
      unit: text,
      enable: z.array(text)
    })
  ),
  'mine logs': answerOf<Logs>()(z.strictObject({lines: z.array(nodeLogLine)})),
  'mine offers': answerOf<Offers>()(
    z.strictObject({
      gutta: z.strictObject({
        earn: z.literal('gutta'),
        exchangeOrg: name,
        functions: count,
        epochMs: count,
        lastEpoch: z.strictObject({minted: amount, owners: count}).nullable(),
        expectedPerDay: amount
      }),
      choices: z.array(choice)
    })
  ),
  'mine set': answerOf<SetTerms>()(lends.extend({running: z.boolean()})),
  'mine start': answerOf<Start>()(
    z.strictObject({
      stopped: z.literal(true),
      role: z.literal('miner'),
      containersStopped: count,
      inTime: z.boolean(),
      receiptsWaiting: count
    })
  ),
  'mine status': answerOf<Status>()(status),
  'mine uninstall': answerOf<Uninstall>()(z.strictObject({status: z.enum(['uninstalled', 'already_uninstalled'])}))
}
