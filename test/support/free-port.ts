import {randomInt} from 'node:crypto'
import {once} from 'node:events'
import {createServer} from 'node:net'

/** Below the ports that a kernel hands out by itself, and above those of services. */
const [PORT_LEAST, PORT_MOST] = [10_000, 32_000]
const TRIES_MAX = 100

/** A port for a program that must be told one: free now, and given to no socket that another test opens meanwhile. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = randomInt(PORT_LEAST, PORT_MOST)
    const server = createServer()
    const isFree = once(server.listen(port, '127.0.0.1'), 'listening').then(
      () => true,
      () => false
    )
    if (!(await isFree)) continue
    server.close()
    await once(server, 'close')
    return port
  }
  throw new Error('no port is free')
}
