import {CreoError} from '../core/errors.ts'
import {type AppAnswer, appAddress, askApp, NO_GATEWAY_HINT} from './addresses.ts'
import type {AppName} from './app-name.ts'
import type {Context} from './context.ts'

export interface Invocation {
  readonly path: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

export interface Invoked extends AppAnswer {
  readonly url: string
}

/**
 * Sends one request to an app through a gateway of the network.
 * @throws {CreoError} `not_found` for an unknown app; `unavailable` without a gateway; what the gateway says when the function can't answer.
 */
export async function invoke(context: Context, name: AppName, {path, ...asked}: Invocation, signal: AbortSignal): Promise<Invoked> {
  await context.client.app(name.org, name.app, signal)
  const {gateways} = await context.client.gateways(signal)
  const [gateway] = gateways
  if (gateway === undefined) throw new CreoError('unavailable', 'The network has no gateway.', {hint: NO_GATEWAY_HINT})
  const url = appAddress(gateway.publicUrl, name) + path
  return {url, ...(await askApp({url, ...asked, signal}))}
}

/** "NAME: VALUE" lines as headers. @throws {CreoError} `invalid_input` for a line without a colon. */
export function headersFrom(lines: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    lines.map((line) => {
      const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*)$/.exec(line)
      if (!match) throw new CreoError('invalid_input', `"${line}" is not a header.`, {hint: "Write 'name: value'."})
      return [String(match[1]).toLowerCase(), String(match[2])]
    })
  )
}
