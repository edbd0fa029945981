import {open} from 'node:fs/promises'
import {z} from 'zod'
import {jsonOrUndefined} from '../../client/http.ts'
import type {SeenRequest} from '../../developer/dev-events.ts'
import {pause} from '../pause.ts'

const LOOK_EVERY_MS = 100
const READ_BYTES = 64 * 1024
/** Addresses of this form are the ones that a deploy asks by itself. */
const BY_NAME = '/@'

const requestSchema = z.object({
  msg: z.literal('request'),
  time: z.string(),
  method: z.string(),
  path: z.string(),
  status: z.int(),
  ms: z.number(),
  function: z.string()
})

/** Reads a gateway's log from its start and tells each request of it, but for those by `/@app--org`, until the signal fires. */
export async function followRequests(path: string, onRequest: (request: SeenRequest) => void, signal: AbortSignal): Promise<void> {
  await using file = await open(path, 'r')
  const buffer = Buffer.alloc(READ_BYTES)
  let place = 0
  while (!signal.aborted) {
    const {bytesRead} = await file.read(buffer, 0, READ_BYTES, place)
    const end = buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1
    for (const line of buffer.toString('utf8', 0, end).split('\n')) {
      const request = requestOf(line)
      if (request !== undefined) onRequest(request)
    }
    // A line that is longer than what is read at a time is none of a request.
    place += end === 0 && bytesRead === READ_BYTES ? READ_BYTES : end
    if (bytesRead < READ_BYTES) await pause(LOOK_EVERY_MS, signal)
  }
}

function requestOf(line: string): SeenRequest | undefined {
  const parsed = requestSchema.safeParse(jsonOrUndefined(line))
  if (!parsed.success || parsed.data.path.startsWith(BY_NAME)) return undefined
  const {time: at, method, path, status, ms, function: name} = parsed.data
  return {at, method, path, status, ms, function: name.slice(name.lastIndexOf('/') + 1)}
}
