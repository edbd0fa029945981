import type {LogLine} from '../core/protocol/api.ts'
import type {AppName} from './app-name.ts'
import type {AccountContext} from './context.ts'

const WAIT_MS = 20_000

/** What an app's functions wrote, oldest first; with `follow` on and on until the signal fires. */
export async function* readLogs(
  {client}: AccountContext,
  name: AppName,
  {follow, signal}: {readonly follow: boolean; readonly signal: AbortSignal}
): AsyncGenerator<LogLine> {
  let after = 0
  let waitMs = 0
  for (;;) {
    const {lines, next} = await client.logs(name, {after, waitMs}, signal)
    yield* lines
    after = next
    if (lines.length > 0) continue
    if (!follow) return
    waitMs = WAIT_MS
  }
}
