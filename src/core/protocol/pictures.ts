import {z} from 'zod'
import {PICTURE_BYTES_MAX} from '../pictures.ts'
import {imageDigestSchema} from './scalars.ts'

/** SHA-256 of the picture's bytes, as `sha256:` and hex: what an offer names. */
export const pictureDigestSchema = imageDigestSchema
const CONTENT_CHARS_MAX = 4 * Math.ceil(PICTURE_BYTES_MAX / 3)
const contentSchema = z.base64().min(4).max(CONTENT_CHARS_MAX)

/** A body in JSON has it as base64, with padding. */
export const pictureUploadSchema = z.strictObject({content: contentSchema})
export const PICTURE_UPLOAD_BYTES_MAX = CONTENT_CHARS_MAX + 1024

export const pictureViewSchema = z.object({
  digest: pictureDigestSchema,
  type: z.enum(['image/png', 'image/jpeg', 'image/webp', 'image/avif']),
  width: z.int(),
  height: z.int(),
  bytes: z.int()
})
export type PictureView = z.output<typeof pictureViewSchema>
export const pictureContentSchema = pictureViewSchema.extend({content: contentSchema})
