import {expect, it} from 'vitest'
import type {Client} from '../../src/client/client.ts'
import {CreoError} from '../../src/core/errors.ts'
import type {LogLine} from '../../src/core/protocol/api.ts'
import type {AccountContext} from '../../src/developer/context.ts'
import {readLogs} from '../../src/developer/logs.ts'

const NAME = {org: 'colibris', app: 'shop'}

function line(seq: number): LogLine {
  return {seq, node: 'node_1', revision: 'rev_1', instance: 'i', atMs: 1, line: String(seq)}
}

/** A coordinator that answers one thing after the other, and then waits. */
function coordinator(answers: readonly (readonly LogLine[] | CreoError)[]) {
  const asked: Parameters<Client['logs']>[1][] = []
  const logs: Client['logs'] = async (_, query, signal) => {
    asked.push(query)
    const answer = answers[asked.length - 1]
    if (answer instanceof CreoError) throw answer
    if (answer !== undefined) return {lines: [...answer], next: answer.at(-1)?.seq ?? query.after}
    signal?.throwIfAborted()
    return await new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
  }
  return {asked, context: {client: {logs}} as unknown as Pick<AccountContext, 'client'>}
}

it('goes on after the last line that came when the coordinator was away, and says once that it was', async () => {
  const away = new CreoError('unavailable', 'No coordinator answers.')
  const {context, asked} = coordinator([[line(1), line(2)], away, away, [line(3)]])
  const stop = new AbortController()
  const told: string[] = []
  const seen: number[] = []
  const wanted = {follow: true, after: -1, function: 'web', onAway: (error: CreoError) => told.push(error.code), signal: stop.signal}
  await expect(async () => {
    for await (const {seq} of readLogs(context, NAME, wanted)) {
      seen.push(seq)
      if (seq === 3) stop.abort(new CreoError('interrupted', 'Interrupted.'))
    }
  }).rejects.toMatchObject({code: 'interrupted'})
  expect([seen, told]).toEqual([[1, 2, 3], ['unavailable']])
  expect(asked.map(({after, function: only}) => [after, only])).toEqual([
    [-1, 'web'],
    [2, 'web'],
    [2, 'web'],
    [2, 'web'],
    [3, 'web']
  ])
})

it('without following ends with the last line, and with what the coordinator refuses', async () => {
  const refusal = new CreoError('forbidden', 'No.')
  const wanted = {follow: false, after: 5, onAway: () => undefined, signal: new AbortController().signal}
  const seen = await Array.fromAsync(readLogs(coordinator([[line(6)], []]).context, NAME, wanted))
  expect(seen.map(({seq}) => seq)).toEqual([6])
  const {context} = coordinator([refusal])
  await expect(Array.fromAsync(readLogs(context, NAME, {...wanted, follow: true}))).rejects.toBe(refusal)
})
