import {constants} from 'node:fs'
import {open} from 'node:fs/promises'
import {connect, type Socket} from 'node:net'
import {CreoError} from '../core/errors.ts'

/** Linux' O_PATH: refers to a file without opening it; node:fs has no name for it. */
const O_PATH = 0o10_000_000
const CONNECT_TIMEOUT_MS = 5000

/**
 * Connects to an instance's unix socket. The function owns the directory, so what lies there may be anything: the very file that was
 * checked to be a socket is the one that is connected to, and a link is never followed.
 * @throws {CreoError} `rejected` when it is no socket; `no_instance` when nobody listens; `timeout`.
 */
export async function connectInstance(socketPath: string): Promise<Socket> {
  const file = await open(socketPath, O_PATH | constants.O_NOFOLLOW).catch((cause: unknown) => {
    throw new CreoError('no_instance', 'The instance has no socket.', {cause})
  })
  try {
    if (!(await file.stat()).isSocket()) throw new CreoError('rejected', 'The instance put something else in the place of its socket.')
    return await connected(connect({path: `/proc/self/fd/${file.fd}`, allowHalfOpen: true}))
  } finally {
    await file.close()
  }
}

async function connected(socket: Socket): Promise<Socket> {
  const timer = setTimeout(() => socket.destroy(new CreoError('timeout', 'The instance accepts no connection.')), CONNECT_TIMEOUT_MS)
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject)
    })
    return socket
  } catch (cause) {
    throw cause instanceof CreoError ? cause : new CreoError('no_instance', 'The instance accepts no connection.', {cause})
  } finally {
    clearTimeout(timer)
  }
}
