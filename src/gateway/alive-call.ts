import type {FunctionCall} from './function-connection.ts'
import type {Instance} from './instance.ts'
import {newTraceparent} from './trace-context.ts'

/**
 * Asks an instance once whether it answers: `HEAD /`, which changes nothing and brings no body. Any answer will do. Its bytes are nobody's request
 * and are not metered.
 */
export function askWhetherAlive(instance: Instance, signal: AbortSignal): Promise<boolean> {
  const {promise, resolve} = Promise.withResolvers<boolean>()
  const {org, app, function: name} = instance.revision
  const host = `${name}--${app}--${org}`
  const call: FunctionCall = {
    head: `HEAD / HTTP/1.1\r\nhost: ${host}\r\naccept: */*\r\nx-forwarded-host: ${host}\r\ntraceparent: ${newTraceparent()}\r\nconnection: keep-alive\r\n\r\n`,
    toHead: true,
    mayUpgrade: false,
    body: 'none',
    onSent: ignore,
    onDrain: ignore,
    onPieceEnd: ignore,
    onInterim: ignore,
    onData: ignore,
    onUpgrade: (_head, socket) => void socket.destroy(),
    onHead: () => resolve(true),
    onEnd: ignore,
    onError: () => resolve(false)
  }
  const tooLate = (): void => {
    instance.connections.withdraw(call)
    resolve(false)
  }
  signal.addEventListener('abort', tooLate, {once: true})
  instance.connections.send(call)
  return promise.finally(() => signal.removeEventListener('abort', tooLate))
}

function ignore(): void {}
