import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, writeFile} from 'node:fs/promises'
import {type AddressInfo, connect, createServer} from 'node:net'
import {join} from 'node:path'
import {setTimeout as wait} from 'node:timers/promises'

const READY_TRIES_MAX = 200
const READY_PAUSE_MS = 25
export const SMALL = 'x'.repeat(100)
export const LARGE_BYTES = 64 * 1024

export interface NginxProcess {
  readonly pid: number
  readonly url: string
  stop(): Promise<void>
}

/** The function of the bench: a static binary that answers at once, on a unix socket and, for comparison, on loopback. */
export async function startFunction(directory: string, socketPath: string): Promise<NginxProcess> {
  const root = join(directory, 'files')
  await mkdir(root, {recursive: true})
  await writeFile(join(root, 'large'), Buffer.alloc(LARGE_BYTES, 'x'))
  const locations = `root ${root}; location = /large {} location / { return 200 "${SMALL}"; }`
  return await startNginx(directory, 'function', (port) => `server { listen unix:${socketPath}; listen 127.0.0.1:${port}; ${locations} }`)
}

/** The peer: one worker as a reverse proxy to the same function, with connections kept. */
export async function startProxy(directory: string, socketPath: string): Promise<NginxProcess> {
  const proxy = 'location / { proxy_pass http://function; proxy_http_version 1.1; proxy_set_header Connection ""; }'
  return await startNginx(
    directory,
    'proxy',
    (port) => `upstream function { server unix:${socketPath}; keepalive 64; } server { listen 127.0.0.1:${port}; ${proxy} }`
  )
}

async function startNginx(directory: string, name: string, serverOf: (port: number) => string): Promise<NginxProcess> {
  const prefix = join(directory, name)
  await mkdir(prefix, {recursive: true})
  const port = await freePort()
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${prefix}/${kind};`).join(' ')
  const http = `access_log off; keepalive_requests 1000000000; keepalive_timeout 300; ${paths} ${serverOf(port)}`
  const config = `daemon off; master_process off; pid ${prefix}/pid; error_log ${prefix}/error.log;
events { worker_connections 1024; }
http { ${http} }
`
  await writeFile(join(prefix, 'nginx.conf'), config)
  const child = spawn('nginx', ['-p', prefix, '-c', join(prefix, 'nginx.conf'), '-e', join(prefix, 'error.log')], {
    stdio: ['ignore', 'ignore', 'inherit']
  })
  const exited = once(child, 'exit')
  await Promise.race([listens(port), exited.then(() => Promise.reject(new Error(`nginx did not start; see ${prefix}/error.log`)))])
  return {
    pid: child.pid ?? 0,
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      child.kill('SIGTERM')
      await exited
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function listens(port: number): Promise<void> {
  for (let tries = 0; tries < READY_TRIES_MAX; tries += 1) {
    const socket = connect(port, '127.0.0.1')
    const up = await once(socket, 'connect').then(
      () => true,
      () => false
    )
    socket.destroy()
    if (up) return
    await wait(READY_PAUSE_MS)
  }
  throw new Error(`nothing listens on port ${port}`)
}
