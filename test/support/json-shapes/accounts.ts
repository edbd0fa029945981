import {z} from 'zod'
import type Accept from '../../../src/commands/account/accept.ts'
import type Balance from '../../../src/commands/account/balance.ts'
import type Create from '../../../src/commands/account/create.ts'
import type History from '../../../src/commands/account/history.ts'
import type Invite from '../../../src/commands/account/invite.ts'
import type KeyAdd from '../../../src/commands/account/key/add.ts'
import type KeyList from '../../../src/commands/account/key/list.ts'
import type KeyRevoke from '../../../src/commands/account/key/revoke.ts'
import type KeyRotate from '../../../src/commands/account/key/rotate.ts'
import type Pay from '../../../src/commands/account/pay.ts'
import type Recover from '../../../src/commands/account/recover.ts'
import type RecoveryCancel from '../../../src/commands/account/recovery/cancel.ts'
import type RecoveryRenew from '../../../src/commands/account/recovery/renew.ts'
import type Show from '../../../src/commands/account/show.ts'
import type NodeToken from '../../../src/commands/node/token.ts'
import type RegistryLogin from '../../../src/commands/registry/login.ts'
import type RegistryToken from '../../../src/commands/registry/token.ts'
import {accountIdSchema} from '../../../src/core/protocol/scalars.ts'
import {amount, answerOf, asset, count, keyId, roles, seq, time} from './form.ts'

const kind = z.enum(['available', 'held', 'pool', 'reserved', 'issued', 'fee', 'sink'])
const text = z.string().min(1)

export const accountShapes = {
  'account accept': answerOf<Accept>()(
    z.strictObject({
      id: z.string(),
      name: text,
      keyId,
      roles,
      keyPath: text,
      movedTo: text.optional(),
      status: z.enum(['accepted', 'already_accepted']),
      isDefault: z.boolean()
    })
  ),
  'account balance': answerOf<Balance>()(
    z.strictObject({account: text, sequence: count, balances: z.array(z.strictObject({asset, kind: z.string().pipe(kind), amount}))})
  ),
  'account create': answerOf<Create>()(
    z.strictObject({
      id: accountIdSchema,
      name: text,
      keyPath: text,
      status: z.enum(['created', 'already_exists']),
      isDefault: z.boolean(),
      recoveryCode: text.optional()
    })
  ),
  'account history': answerOf<History>()(
    z.strictObject({
      account: text,
      entries: z.array(
        z.strictObject({
          at: time,
          seq,
          command: text,
          asset,
          kind: z.string().pipe(kind),
          change: amount,
          balance: amount,
          counterparty: text.optional(),
          memo: text.optional()
        })
      )
    })
  ),
  'account invite': answerOf<Invite>()(z.strictObject({account: text, token: text, keyId, roles: z.array(z.string()), expiresAt: time})),
  'account key add': answerOf<KeyAdd>()(
    z.strictObject({account: text, keyId, roles, keyPath: text, status: z.enum(['added', 'already_added'])})
  ),
  'account key list': answerOf<KeyList>()(
    z.strictObject({
      account: text,
      keys: z.array(
        z.strictObject({
          keyId,
          roles,
          state: z.enum(['valid', 'invited until', 'recovers from']),
          until: time.nullable(),
          addedBy: keyId.nullable(),
          addedAt: time.nullable()
        })
      )
    })
  ),
  'account key revoke': answerOf<KeyRevoke>()(
    z.strictObject({
      account: text,
      keyId,
      status: z.enum(['revoked', 'already_revoked']),
      withAdded: z.array(keyId),
      addedLeft: z.array(keyId)
    })
  ),
  'account key rotate': answerOf<KeyRotate>()(z.strictObject({account: text, keyId, replaces: keyId, keyPath: text})),
  'account pay': answerOf<Pay>()(
    z.strictObject({
      status: z.enum(['paid', 'dry_run', 'declined']),
      transfer: z
        .string()
        .regex(/^tra_\d+$/)
        .nullable(),
      from: text,
      to: text,
      toId: accountIdSchema,
      asset,
      amount,
      memo: text.nullable(),
      left: amount,
      seq: seq.nullable()
    })
  ),
  'account recover': answerOf<Recover>()(
    z.strictObject({
      id: accountIdSchema,
      name: text,
      keyId,
      keyPath: text,
      movedTo: text.optional(),
      dueAt: time,
      status: z.enum(['started', 'already_started'])
    })
  ),
  'account recovery cancel': answerOf<RecoveryCancel>()(
    z.strictObject({account: text, status: z.enum(['cancelled', 'already_cancelled'])})
  ),
  'account recovery renew': answerOf<RecoveryRenew>()(z.strictObject({account: text, keyId, recoveryCode: text, replaces: z.array(keyId)})),
  'account show': answerOf<Show>()(
    z.strictObject({
      id: accountIdSchema,
      name: text,
      createdAt: time,
      keys: z.array(z.strictObject({keyId, roles: z.array(z.string())})),
      recovery: z.strictObject({keyId, dueAt: time}).nullable()
    })
  ),
  'node token': answerOf<NodeToken>()(z.strictObject({token: text, expiresAt: time, owner: text})),
  'registry login': answerOf<RegistryLogin>()(z.strictObject({registry: text, account: text, path: text, expiresAt: time})),
  'registry token': answerOf<RegistryToken>()(z.strictObject({token: text, account: text, registry: text, expiresAt: time}))
}
