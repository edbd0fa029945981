import {z} from 'zod'
import type ConfigGet from '../../../src/commands/config/get.ts'
import type ConfigList from '../../../src/commands/config/list.ts'
import type ConfigSet from '../../../src/commands/config/set.ts'
import type ConfigUnset from '../../../src/commands/config/unset.ts'
import type CoordinatorBackup from '../../../src/commands/coordinator/backup.ts'
import type CoordinatorInit from '../../../src/commands/coordinator/init.ts'
import type CoordinatorRestore from '../../../src/commands/coordinator/restore.ts'
import type CoordinatorServe from '../../../src/commands/coordinator/serve.ts'
import type Doctor from '../../../src/commands/doctor.ts'
import type GatewayAdmit from '../../../src/commands/gateway/admit.ts'
import type GatewayRevoke from '../../../src/commands/gateway/revoke.ts'
import type GatewayServe from '../../../src/commands/gateway/serve.ts'
import type Join from '../../../src/commands/network/join.ts'
import type Networks from '../../../src/commands/network/list.ts'
import type Remove from '../../../src/commands/network/remove.ts'
import type Rename from '../../../src/commands/network/rename.ts'
import type Show from '../../../src/commands/network/show.ts'
import type Use from '../../../src/commands/network/use.ts'
import type Block from '../../../src/commands/operator/block.ts'
import type Blocks from '../../../src/commands/operator/blocks.ts'
import type Unblock from '../../../src/commands/operator/unblock.ts'
import type Update from '../../../src/commands/update.ts'
import {blockEventSchema} from '../../../src/core/protocol/blocks.ts'
import {gatewayIdSchema, networkIdSchema} from '../../../src/core/protocol/scalars.ts'
import {amount, answerOf, count, seq, time} from './form.ts'

const name = z.string().min(1)
const networkId = networkIdSchema
const network = z.enum(['production', 'development'])
const setting = z.strictObject({
  setting: name,
  value: z.string().nullable(),
  origin: z.enum(['flag', 'environment', 'manifest', 'user', 'default']),
  from: name
})
const stopped = z.literal(true)
const words = z.array(z.array(z.string()))
const mend = z.strictObject({
  id: z.enum(['packages', 'subordinate-ids', 'user-namespaces', 'memory-controller', 'unified-cgroups', 'delegation', 'linger']),
  why: name,
  edits: z.array(z.strictObject({path: name, before: z.string().optional(), after: z.string()})),
  commands: words,
  undoCommands: words,
  holds: z.enum(['now', 'after_reboot']),
  byHand: name.optional(),
  status: z.enum(['planned', 'by_hand', 'mended', 'after_reboot', 'failed']),
  error: name.optional()
})
const {kind} = blockEventSchema.shape
const changedBlock = (status: [string, string]) =>
  z.strictObject({status: z.string().pipe(z.enum(status)), kind: z.string().pipe(kind), name, seq})

const terms = z.strictObject({
  name,
  network,
  exchangeOrg: name,
  makerFeePercent: amount,
  takerFeePercent: amount,
  protection: z
    .strictObject({openingMs: count, auctionMs: count, staticPercent: amount.nullable(), dynamicPercent: amount.nullable()})
    .nullable(),
  emission: z.strictObject({
    epochMs: count,
    perEpochGutta: amount,
    halvingEpochs: count,
    totalGutta: amount,
    finalGutta: amount,
    halfAfterMs: count,
    allAfterMs: count,
    ownerShareMaxPercent: amount
  }),
  volumeWindowMs: count,
  volumeBucketMs: count,
  redemptionTimeoutMs: count,
  receiptGraceMs: count,
  recoveryDelayMs: count
})

export const networkShapes = {
  'config get': answerOf<ConfigGet>()(setting),
  'config list': answerOf<ConfigList>()(z.strictObject({settings: z.array(setting)})),
  'config set': answerOf<ConfigSet>()(z.strictObject({setting: name, value: z.string(), status: z.enum(['changed', 'unchanged'])})),
  'config unset': answerOf<ConfigUnset>()(z.strictObject({setting: name, status: z.enum(['unset', 'already_unset'])})),
  'coordinator backup': answerOf<CoordinatorBackup>()(
    z.strictObject({file: name, networkId, groups: count, commands: count, headHash: name, files: count})
  ),
  'coordinator restore': answerOf<CoordinatorRestore>()(
    z.strictObject({
      data: name,
      networkId,
      madeAt: time,
      groups: count,
      commands: count,
      headHash: name,
      accounts: count,
      files: count,
      signaturesChecked: count
    })
  ),
  'coordinator init': answerOf<CoordinatorInit>()(
    z.union([
      z.strictObject({
        networkId,
        network,
        name,
        genesisPath: name,
        coordinatorKey: name,
        operatorKey: name,
        operatorKeyPath: name,
        created: z.boolean(),
        terms
      }),
      z.strictObject({created: z.literal(false), terms, genesis: z.record(z.string(), z.unknown())})
    ])
  ),
  'coordinator serve': answerOf<CoordinatorServe>()(z.strictObject({stopped, role: z.literal('coordinator')})),
  doctor: answerOf<Doctor>()(
    z.strictObject({
      healthy: z.boolean(),
      findings: z.array(z.strictObject({check: name, verdict: z.enum(['ok', 'warn', 'fail']), message: name, hint: name.optional()})),
      mends: z.array(mend)
    })
  ),
  'gateway admit': answerOf<GatewayAdmit>()(z.strictObject({gateway: gatewayIdSchema, seq})),
  'gateway revoke': answerOf<GatewayRevoke>()(
    z.strictObject({gateway: gatewayIdSchema, status: z.enum(['revoked', 'already_revoked']), seq: seq.nullable()})
  ),
  'gateway serve': answerOf<GatewayServe>()(z.strictObject({stopped, role: z.literal('gateway')})),
  'network join': answerOf<Join>()(z.strictObject({name, networkId, coordinatorUrl: name, network: z.string().pipe(network)})),
  'network list': answerOf<Networks>()(
    z.strictObject({networks: z.array(z.strictObject({name, coordinatorUrl: name, networkId, current: z.boolean()}))})
  ),
  'network remove': answerOf<Remove>()(z.strictObject({name, status: z.enum(['removed', 'already_removed']), current: name.nullable()})),
  'network rename': answerOf<Rename>()(z.strictObject({name, before: name, networkId})),
  'network show': answerOf<Show>()(terms.extend({networkId}).strict()),
  'network use': answerOf<Use>()(z.strictObject({name, networkId})),
  'operator block': answerOf<Block>()(changedBlock(['blocked', 'already_blocked'])),
  'operator blocks': answerOf<Blocks>()(z.strictObject({blocks: z.array(blockEventSchema.omit({atMs: true}).extend({at: time}).strict())})),
  'operator unblock': answerOf<Unblock>()(changedBlock(['unblocked', 'already_unblocked'])),
  update: answerOf<Update>()(
    z.strictObject({
      status: z.enum(['updated', 'rolled_back', 'available', 'already_current', 'older']),
      from: name,
      to: name,
      path: name,
      previousPath: name.nullable(),
      restarted: z.array(z.enum(['system', 'user'])),
      drained: z.boolean()
    })
  ),
  up: z.strictObject({
    holds: z.literal(true),
    networkId,
    totalMs: count,
    steps: z.array(z.strictObject({id: name, title: name, ms: count, commands: z.array(name), facts: z.record(z.string(), z.unknown())})),
    stopped: z.array(z.strictObject({name, how: z.enum(['by_itself', 'failed', 'killed', 'already_stopped'])}))
  })
}
