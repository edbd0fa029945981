import {CreoError} from '../core/errors.ts'
import {revisionSpecSchema} from '../core/protocol/revisions.ts'

/** `NAME=VALUE` texts as an environment. @throws {CreoError} `invalid_input` for the first that is none. */
export function readVariables(typed: readonly string[]): Readonly<Record<string, string>> {
  const pairs = typed.map((text) => {
    const at = text.indexOf('=')
    const [name, value] = [text.slice(0, at), text.slice(at + 1)]
    if (at > 0 && revisionSpecSchema.shape.env.safeParse({[name]: value}).success) return [name, value] as const
    throw new CreoError('invalid_input', `"${text.slice(0, 60)}" is no variable.`, {
      hint: 'Write NAME=VALUE: letters, digits and _, not beginning with a digit, and at most 8,192 characters.'
    })
  })
  return Object.fromEntries(pairs)
}
