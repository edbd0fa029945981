import type {FastifyInstance} from 'fastify'
import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {
  PICTURE_UPLOAD_BYTES_MAX,
  pictureContentSchema,
  pictureDigestSchema,
  pictureUploadSchema,
  pictureViewSchema
} from '../../core/protocol/pictures.ts'
import {nameSchema} from '../../core/protocol/scalars.ts'
import type {PictureStore} from '../picture-store.ts'
import {type RouteTools, route} from './route.ts'

export interface PictureTools extends RouteTools {
  readonly pictures: PictureStore
}

/** Pictures of offers: stored before the command that names them, and read by their digests, which who reads compares. */
export function pictureRoutes(app: FastifyInstance, tools: PictureTools): void {
  const {pictures, signer, ledger} = tools
  route(
    app,
    tools,
    {
      method: 'POST',
      path: '/v1/orgs/:org/pictures',
      about: 'Stores a picture that an offer of the org is to name.',
      params: z.object({org: nameSchema}),
      body: pictureUploadSchema,
      bodyBytesMax: PICTURE_UPLOAD_BYTES_MAX,
      answer: pictureViewSchema,
      signed: true
    },
    ({params: {org}, body: {content}, keyId}) => {
      signer.assertOrgKey(keyId, org, ['treasurer', 'deployer'])
      return pictures.store({org, bytes: Buffer.from(content, 'base64'), nowMs: ledger.nowMs()})
    }
  )
  route(
    app,
    tools,
    {
      method: 'GET',
      path: '/v1/pictures/:digest',
      about: 'A picture of an offer.',
      params: z.object({digest: pictureDigestSchema}),
      answer: pictureContentSchema,
      headers: () => ({'cache-control': 'public, max-age=31536000, immutable'})
    },
    ({params: {digest}}) => {
      const found = pictures.find(digest)
      if (found === undefined) throw new CreoError('not_found', `There is no picture ${digest}.`, {hint: 'creo offer list --json'})
      return {...found, content: found.content.toString('base64')}
    }
  )
}
