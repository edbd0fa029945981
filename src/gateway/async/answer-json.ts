import type {ClientCall} from '../http/client-call.ts'

/** Answers a request about calls: never to be kept by anybody in between. */
export function answerJson(call: ClientCall, status: number, answer: object, headers: readonly string[] = []): void {
  if (call.isGone) return
  const body = Buffer.from(JSON.stringify(answer))
  call.begin(status, [...headers, 'content-type', 'application/json', 'content-length', String(body.length), 'cache-control', 'no-store'])
  call.end(body)
}
