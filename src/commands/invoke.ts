import {Args, Flags} from '@oclif/core'
import {splitApp} from '../cli/app-args.ts'
import {CreoCommand} from '../cli/base-command.ts'
import {appArg, networkFlags} from '../cli/flags.ts'
import {CreoError} from '../core/errors.ts'

interface Answer {
  readonly url: string
  readonly status: number
  readonly ms: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** As text when it is UTF-8, else in base64. */
  readonly body: string
  readonly encoding: 'utf8' | 'base64'
  /** Of a call that is answered later: its id. */
  readonly call?: string
}

export default class Invoke extends CreoCommand {
  static override summary = 'Send one request to an app through a gateway.'
  static override description = 'Prints the body. What the function answers is its own business: the exit code is 0 whatever its status.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> colibris/shop /api/hello',
    '<%= config.bin %> <%= command.id %> colibris/shop /api/orders --async --data tree',
    `<%= config.bin %> <%= command.id %> colibris/shop /api/echo --data '{"a":1}' --header 'content-type: application/json'`
  ]
  static override args = {
    ...appArg,
    path: Args.string({description: 'Path and query; / when left out.'})
  }
  static override flags = {
    ...networkFlags,
    method: Flags.string({helpValue: 'METHOD', char: 'X', description: 'GET, or POST when there is --data.'}),
    data: Flags.string({helpValue: 'BODY', char: 'd', description: 'Body of the request.'}),
    async: Flags.boolean({default: false, description: 'Have it answered later; prints the id of the call.'}),
    header: Flags.string({
      char: 'H',
      multiple: true,
      multipleNonGreedy: true,
      helpValue: "'NAME: VALUE'",
      description: 'A header; may be given again.'
    })
  }

  async run(): Promise<Answer> {
    const {args, flags} = await this.parse(Invoke)
    const {app, rest} = splitApp([args.app, args.path], 1)
    const [path = '/'] = rest
    if (!path.startsWith('/'))
      throw new CreoError('invalid_input', `"${path}" is not a path.`, {hint: 'Start it with a slash; the app is ORG/APP.'})
    const [{openContext}, {invoke, headersFrom}, {appNameOf}] = await Promise.all([
      import('../developer/context.ts'),
      import('../developer/invoke.ts'),
      import('../developer/app-name.ts')
    ])
    if (flags.async && (flags.method ?? 'POST').toUpperCase() !== 'POST')
      throw new CreoError('usage', 'Only a POST can be answered later.', {hint: 'Leave out --method or --async.'})
    const name = await appNameOf(app, '.')
    const asked = {
      path: flags.async ? `/async${path}` : path,
      method: (flags.method ?? (flags.data === undefined && !flags.async ? 'GET' : 'POST')).toUpperCase(),
      headers: headersFrom(flags.header ?? []),
      body: flags.data
    }
    const answer = await invoke(await openContext(flags, this.abort), name, asked, this.abort)
    const {url, status, ms, headers, body} = answer
    const text = body.toString('utf8')
    const encoding = Buffer.from(text).equals(body) ? 'utf8' : 'base64'
    const call = flags.async ? (await import('../developer/async-calls.ts')).acceptedCall(answer) : undefined
    if (call !== undefined) this.log(call)
    else if (!this.jsonEnabled()) process.stdout.write(body)
    this.logToStderr(call === undefined ? `${status} in ${ms} ms from ${url}` : `See what becomes of it: creo async show ${call}`)
    return {
      url,
      status,
      ms,
      headers,
      body: encoding === 'utf8' ? text : body.toString('base64'),
      encoding,
      ...(call !== undefined && {call})
    }
  }
}
