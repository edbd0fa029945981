import {z} from 'zod'
import {ERROR_CODES, type ErrorCode} from '../../../src/core/errors.ts'
import {keyRoles} from '../../../src/core/protocol/account-keys.ts'

/** What stands in many answers, as docs/JSON.md promises it. */

/** Decimal, in whole units of its asset, without trailing zeros. */
export const amount = z.string().regex(/^-?(0|[1-9]\d*)(\.\d*[1-9])?$/)
/** RFC 3339 in UTC. */
export const time = z.iso.datetime()
export const count = z.int().min(0)
export const seq = z.int().min(0)
export const keyId = z.string().regex(/^[0-9a-f]{32}$/)
export const asset = z.string().regex(/^(gutta|[a-z][a-z0-9-]{1,19}\/[A-Z][A-Z0-9]{1,9})$/)
/** `org/app`. */
export const app = z.string().regex(/^[a-z][a-z0-9-]{1,19}\/[a-z][a-z0-9-]{1,19}$/)
export const roles = z.array(z.enum(keyRoles))
export const functionRevision = z.strictObject({function: z.string(), revision: z.string()})

type Runs = {run(): Promise<unknown>}
/** The same without `readonly`, which no schema has. */
type Plain<T> = T extends readonly (infer E)[] ? Plain<E>[] : T extends object ? {-readonly [K in keyof T]: Plain<T[K]>} : T
type AnswerOf<C extends Runs> = Plain<Awaited<ReturnType<C['run']>>>
/** Never where what the command's type says is not of the shape, or has a field that the shape lacks. */
type Fits<A, S extends z.ZodType> = A extends z.input<S> ? (Exclude<keyof A, KeyOf<z.input<S>>> extends never ? unknown : never) : never
/** Of a union, the keys of each of its members. */
type KeyOf<T> = T extends unknown ? keyof T : never

/** The shape of what a command answers under `--json`; a shape that does not fit the type of the command's `run` does not compile. */
export const answerOf =
  <C extends Runs>() =>
  <S extends z.ZodType>(shape: S & Fits<AnswerOf<C>, S>): S =>
    shape

const codes = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]
export const error = z.strictObject({code: z.enum(codes), message: z.string().min(1), hint: z.string().min(1).optional()})
export type JsonError = z.output<typeof error>
