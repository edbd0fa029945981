import {CreoError} from '../core/errors.ts'
import {type RevisionSpec, revisionSpecSchema} from '../core/protocol/revisions.ts'
import {appNameOf} from './app-name.ts'
import {type ChangedFunction, changeSettings, type SettingsChange} from './app-settings.ts'
import {type ContextFlags, openOrg} from './context.ts'

export interface VariablesChange extends Pick<SettingsChange, 'waitMs' | 'givesUp' | 'steps' | 'signal'> {
  /** `org/app`, as typed; the app of creo.yaml in this folder when left out. */
  readonly app: string | undefined
  readonly flags: ContextFlags & {readonly function?: string | undefined}
  readonly change: (env: RevisionSpec['env']) => RevisionSpec['env']
}

/** Changes the environment of an app's functions, in the name of its org. @throws {CreoError} what `changeSettings` throws. */
export async function changeVariables({
  app,
  flags,
  change,
  ...rest
}: VariablesChange): Promise<{readonly app: string; readonly functions: readonly ChangedFunction[]}> {
  const name = await appNameOf(app, '.')
  const context = await openOrg(flags, name.org, rest.signal)
  const {functions} = await changeSettings({
    ...rest,
    context,
    name,
    only: flags.function,
    change: (spec) => ({...spec, env: change(spec.env)})
  })
  return {app: `${name.org}/${name.app}`, functions}
}

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
