import {z} from 'zod'
import type Apps from '../../../src/commands/apps.ts'
import type AsyncCancel from '../../../src/commands/async/cancel.ts'
import type AsyncList from '../../../src/commands/async/list.ts'
import type AsyncRetry from '../../../src/commands/async/retry.ts'
import type AsyncShow from '../../../src/commands/async/show.ts'
import type CronList from '../../../src/commands/cron/list.ts'
import type Destroy from '../../../src/commands/destroy.ts'
import type EnvList from '../../../src/commands/env/list.ts'
import type EnvSet from '../../../src/commands/env/set.ts'
import type EnvUnset from '../../../src/commands/env/unset.ts'
import type Invoke from '../../../src/commands/invoke.ts'
import type Logs from '../../../src/commands/logs.ts'
import type Open from '../../../src/commands/open.ts'
import type Releases from '../../../src/commands/releases.ts'
import type Rollback from '../../../src/commands/rollback.ts'
import type Scale from '../../../src/commands/scale.ts'
import type SecretsList from '../../../src/commands/secrets/list.ts'
import type SecretsSet from '../../../src/commands/secrets/set.ts'
import type SecretsUnset from '../../../src/commands/secrets/unset.ts'
import type Traffic from '../../../src/commands/traffic.ts'
import {instanceFailureSchema} from '../../../src/core/protocol/api.ts'
import {callIdSchema, callResultSchema, callStateSchema} from '../../../src/core/protocol/async.ts'
import {imageDigestSchema, incentiveIdSchema, revisionIdSchema, variableNameSchema} from '../../../src/core/protocol/scalars.ts'
import {amount, answerOf, app, count, functionRevision, keyId, seq, time} from './form.ts'

const text = z.string().min(1)
const share = z.strictObject({revision: revisionIdSchema, percent: z.int().min(1).max(100)})
const rolled = z.array(functionRevision)

const call = z.strictObject({
  id: callIdSchema,
  state: callStateSchema,
  function: text,
  method: text,
  target: text,
  attempts: count,
  acceptedAt: time,
  nextAttemptAt: time.optional(),
  endedAt: time.optional(),
  scheduledAt: time.optional(),
  callbackOf: callIdSchema.optional(),
  error: z.strictObject({code: text, message: z.string()}).optional(),
  gateway: text,
  result: callResultSchema.strict().optional()
})

export const changedFunction = z.strictObject({
  function: text,
  from: revisionIdSchema,
  to: revisionIdSchema,
  status: z.enum(['changed', 'already_so']),
  undo: text.nullable()
})
const changed = z.strictObject({app, functions: z.array(changedFunction)})

export const logLine = z.strictObject({
  at: time,
  function: text.nullable(),
  revision: revisionIdSchema,
  node: text,
  instance: text,
  line: z.string(),
  failure: instanceFailureSchema.strict().nullable(),
  cursor: count
})

const schedule = z.strictObject({
  function: text,
  schedule: text,
  timezone: text,
  method: text,
  path: text,
  nextAt: time.nullable(),
  last: z
    .strictObject({
      scheduledAt: time,
      call: callIdSchema.optional(),
      state: text,
      status: z.int().optional(),
      error: text.optional()
    })
    .nullable()
})

export const appShapes = {
  apps: answerOf<Apps>()(
    z.strictObject({apps: z.array(z.strictObject({app, functions: z.array(text), addresses: z.array(text), deployedAt: time.nullable()}))})
  ),
  'async cancel': answerOf<AsyncCancel>()(call),
  'async list': answerOf<AsyncList>()(
    z.strictObject({app, calls: z.array(call.omit({result: true}).extend({id: callIdSchema.optional()})), silent: z.array(text)})
  ),
  'async retry': answerOf<AsyncRetry>()(call),
  'async show': answerOf<AsyncShow>()(call),
  'cron list': answerOf<CronList>()(z.strictObject({app, schedules: z.array(schedule)})),
  destroy: answerOf<Destroy>()(
    z.strictObject({
      app,
      status: z.enum(['destroyed', 'already_destroyed']),
      seq,
      returning: z.array(z.strictObject({incentive: incentiveIdSchema, amount}))
    })
  ),
  'env list': answerOf<EnvList>()(
    z.strictObject({app, variables: z.array(z.strictObject({function: text, name: variableNameSchema, value: z.string()}))})
  ),
  'env set': answerOf<EnvSet>()(changed),
  'env unset': answerOf<EnvUnset>()(changed),
  invoke: answerOf<Invoke>()(
    z.strictObject({
      url: text,
      status: z.int(),
      ms: count,
      headers: z.record(z.string().regex(/^[^A-Z]+$/), z.union([z.string(), z.array(z.string())]).optional()),
      body: z.string(),
      encoding: z.enum(['utf8', 'base64']),
      call: callIdSchema.optional()
    })
  ),
  logs: answerOf<Logs>()(z.strictObject({app, lines: z.array(logLine)})),
  open: answerOf<Open>()(z.strictObject({app, address: text, opened: z.boolean()})),
  releases: answerOf<Releases>()(
    z.strictObject({
      app,
      releases: z.array(
        z.strictObject({
          function: text,
          revision: revisionIdSchema,
          deployedAt: time,
          percent: z.int().min(0).max(100),
          tags: z.array(text),
          warm: count,
          imageDigest: imageDigestSchema
        })
      )
    })
  ),
  rollback: answerOf<Rollback>()(
    z.strictObject({app, functions: z.array(z.strictObject({function: text, from: z.array(share), to: revisionIdSchema})), seq})
  ),
  scale: answerOf<Scale>()(z.strictObject({app, function: changedFunction.nullable(), min: count, max: count})),
  'secrets list': answerOf<SecretsList>()(
    z.strictObject({app, secrets: z.array(z.strictObject({name: variableNameSchema, version: z.int().min(1), setAt: time, keyId}))})
  ),
  'secrets set': answerOf<SecretsSet>()(
    z.strictObject({
      app,
      name: variableNameSchema,
      version: z.int().min(1),
      setAt: time,
      readers: z.array(z.strictObject({owner: text, nodes: count})),
      readersKnown: z.boolean(),
      rolled,
      notRolled: z.array(text)
    })
  ),
  'secrets unset': answerOf<SecretsUnset>()(z.strictObject({app, name: variableNameSchema, status: z.enum(['unset', 'already_unset'])})),
  traffic: answerOf<Traffic>()(
    z.strictObject({
      app,
      functions: z.array(
        z.strictObject({
          function: text,
          traffic: z.array(share),
          tags: z.array(z.strictObject({tag: text, revision: revisionIdSchema, address: text.nullable()}))
        })
      ),
      seq: seq.nullable()
    })
  )
}
