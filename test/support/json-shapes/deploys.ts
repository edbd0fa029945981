import {z} from 'zod'
import type Bases from '../../../src/commands/bases.ts'
import type Build from '../../../src/commands/build.ts'
import type Deploy from '../../../src/commands/deploy.ts'
import type Dev from '../../../src/commands/dev.ts'
import type Init from '../../../src/commands/init.ts'
import type ManifestSchema from '../../../src/commands/manifest/schema.ts'
import type PluginsGuide from '../../../src/commands/plugins/guide.ts'
import type PluginsUpdate from '../../../src/commands/plugins/update.ts'
import type Plugins from '../../../src/commands/plugins.ts'
import {imageDigestSchema, incentiveIdSchema, nameSchema, revisionIdSchema} from '../../../src/core/protocol/scalars.ts'
import {amount, answerOf, count, error, functionRevision, seq, time} from './form.ts'

const text = z.string().min(1)
const incentive = incentiveIdSchema

const image = z.strictObject({
  function: text,
  imageDigest: imageDigestSchema,
  layout: text.nullable(),
  sizeBytes: count.nullable(),
  architectures: z.array(text),
  layers: z.array(z.strictObject({part: text, digest: imageDigestSchema, sizeBytes: count, cached: z.boolean()}))
})

const revision = z.strictObject({
  function: text,
  revision: revisionIdSchema,
  imageDigest: imageDigestSchema,
  lackingBase: z.array(text),
  bytesPushed: count,
  blobsPushed: count,
  blobsPresent: count,
  pulls: z.array(z.strictObject({architecture: z.string().nullable(), bytes: count, newBytes: count}))
})

const costs = z.strictObject({
  function: text,
  incentive: z.string().pipe(incentive),
  perThousandCalls: amount,
  forRequests: amount,
  forTime: amount,
  msPerCall: z.number().min(0),
  isMeasured: z.boolean()
})

const deployed = z.strictObject({
  org: nameSchema,
  app: nameSchema,
  seq,
  revisions: z.array(revision),
  addresses: z.array(text),
  tagAddresses: z.array(z.strictObject({function: text, tag: text, address: text})),
  firstAnswers: z.array(z.strictObject({function: text, url: text, status: z.int(), ms: z.number().min(0)})),
  costs: z.array(costs).nullable(),
  pools: z
    .array(z.strictObject({incentive, pool: amount, reserved: amount, paidLastDay: amount, days: z.number().min(0).nullable()}))
    .nullable(),
  rollback: text.nullable(),
  steps: z.array(z.strictObject({name: text, ms: z.number().min(0)})),
  first: z
    .strictObject({incentive, issued: z.boolean(), perMonth: z.number().min(0), funded: amount, rewardsWritten: z.array(text)})
    .optional()
})

const at = time
export const devLine = z.discriminatedUnion('event', [
  z.strictObject({event: z.literal('answers'), url: text, revisions: z.array(functionRevision), ms: z.number().min(0)}),
  z.strictObject({event: z.literal('failed'), error}),
  z.strictObject({event: z.literal('warning'), message: text}),
  z.strictObject({event: z.literal('log'), at, function: text.nullable(), line: z.string(), failure: text.nullable()}),
  z.strictObject({
    event: z.literal('request'),
    at,
    method: text,
    path: z.string(),
    status: z.int(),
    ms: z.number().min(0),
    function: z.string()
  })
])

const pluginSource = z.enum(['registry', 'copy', 'link', 'creo'])
const plugin = z.strictObject({name: text, version: text.nullable(), source: pluginSource, folder: text})

export const deployShapes = {
  bases: answerOf<Bases>()(
    z.strictObject({
      bases: z.array(
        z.strictObject({
          base: z.enum(['node', 'python', 'static']),
          digest: imageDigestSchema,
          layout: text,
          status: z.enum(['made', 'already_made'])
        })
      )
    })
  ),
  build: answerOf<Build>()(z.strictObject({org: nameSchema, app: nameSchema, images: z.array(image)})),
  deploy: answerOf<Deploy>()(deployed),
  dev: answerOf<Dev>()(z.strictObject({stopped: z.literal(true)})),
  init: answerOf<Init>()(z.strictObject({app: nameSchema, org: nameSchema, files: z.array(text)})),
  'manifest schema': answerOf<ManifestSchema>()(z.strictObject({schema: z.record(z.string(), z.unknown())})),
  plugins: answerOf<Plugins>()(z.strictObject({plugins: z.array(plugin)})),
  'plugins guide': answerOf<PluginsGuide>()(z.strictObject({page: text})),
  'plugins update': answerOf<PluginsUpdate>()(
    z.strictObject({
      plugins: z.array(
        z.strictObject({
          name: text,
          source: pluginSource,
          from: text.nullable(),
          to: text.nullable(),
          status: z.enum(['updated', 'unchanged'])
        })
      )
    })
  )
}
