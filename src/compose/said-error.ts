import {jsonOrUndefined} from '../client/http.ts'
import {type CreoError, errorOfWire} from '../core/errors.ts'
import {apiErrorSchema} from '../core/protocol/api.ts'

/** The error that a creo process printed under `--json` as its last word, in the words of whoever started it; undefined if it printed none. */
export function saidError(stdout: string, who: string): CreoError | undefined {
  const parsed = apiErrorSchema.safeParse(jsonOrUndefined(stdout.slice(stdout.lastIndexOf('\n{') + 1)))
  if (!parsed.success) return undefined
  const {message} = parsed.data.error
  return errorOfWire({...parsed.data.error, message: `${who}: ${message}`})
}
