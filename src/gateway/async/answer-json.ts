import type {ClientCall} from '../http/client-call.ts'

/** Answers a request about calls: never to be kept by anybody in between. */
export function answerJson(call: ClientCall, status: number, answer: object, headers: readonly string[] = []): void {
  if (call.isGone) return
  const body = Buffer.from(JSON.stringify(answer))
  const own = ['content-type', 'application/json', 'x-content-type-options', 'nosniff', 'content-length', String(body.length)]
  call.begin(status, [...headers, ...own, 'cache-control', 'no-store'])
  call.end(body)
}
