import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, writeFile} from 'node:fs/promises'
import {type AddressInfo, connect, createServer} from 'node:net'
import {join} from 'node:path'
import {setTimeout as wait} from 'node:timers/promises'
import type {Server} from '../function/serve.ts'

/** As many as the load has. */
const KEPT_CONNECTIONS = 64
const READY_TRIES_MAX = 200
const READY_PAUSE_MS = 25

/** The peer: one nginx worker as a reverse proxy to the same function, with connections kept; a process of our own, never the service. */
export async function startNginx(directory: string, socketPath: string): Promise<Server> {
  const proxy = 'location / { proxy_pass http://function; proxy_http_version 1.1; proxy_set_header Connection ""; }'
  const forever = 'keepalive_requests 1000000000; keepalive_timeout 300;'
  const upstream = `upstream function { server unix:${socketPath}; keepalive ${KEPT_CONNECTIONS}; ${forever} }`
  const prefix = join(directory, 'nginx')
  await mkdir(prefix, {recursive: true})
  const port = await freePort()
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${prefix}/${kind};`).join(' ')
  const http = `access_log off; ${forever} ${paths} ${upstream} server { listen 127.0.0.1:${port}; ${proxy} }`
  const config = `daemon off; master_process off; pid ${prefix}/pid; error_log stderr;
events { worker_connections 1024; }
http { ${http} }
`
  await writeFile(join(prefix, 'nginx.conf'), config)
  const child = spawn('nginx', ['-p', prefix, '-c', join(prefix, 'nginx.conf'), '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'inherit']
  })
  const exited = once(child, 'exit')
  await Promise.race([listens(port), exited.then(() => Promise.reject(new Error('nginx ended before it listened; it said why above')))])
  return {
    pid: child.pid ?? 0,
    port,
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
