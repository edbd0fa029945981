// The function that the runtime contract starts: says what it was given, and does on request what a hostile function would.
import {spawn, spawnSync} from 'node:child_process'
import {readFileSync, watch, writeFileSync} from 'node:fs'
import {createServer, get} from 'node:http'
import {connect} from 'node:net'
import {networkInterfaces} from 'node:os'

const MIB = 2 ** 20
const hoard = []

const actions = {
  '/crash': ({code}) => process.exit(Number(code)),
  '/log': ({text}) => {
    process.stdout.write(`${text}\n`)
  },
  '/memory': ({mib}) => {
    for (let taken = 0; taken < Number(mib); taken += 8) hoard.push(Buffer.alloc(8 * MIB, 1))
    return `${hoard.length * 8} MiB`
  },
  '/processes': async ({count}) => {
    const children = Array.from({length: Number(count)}, () => spawn(process.execPath, ['-e', 'process.stdin.resume()']))
    const outcomes = await Promise.all(children.map((child) => outcome(child, 'spawn')))
    for (const child of children) child.kill('SIGKILL')
    return outcomes
  },
  '/connect': async ({port}) => outcome(connect({host: '127.0.0.1', port: Number(port)}), 'connect'),
  '/write': ({path}) => attempt(() => writeFileSync(path, 'x')),
  '/status': () => readFileSync('/proc/self/status', 'utf8'),
  '/ids': () => readFileSync('/proc/self/uid_map', 'utf8'),
  '/watch': ({path}) => attempt(() => watch(path).close()),
  '/interfaces': () => attempt(() => Object.keys(networkInterfaces())),
  '/unshare': () => spawnSync('/app/unshare', ['--user', process.execPath, '--version'], {encoding: 'utf8'}).stderr,
  '/proxy': ({to}) => throughProxy(to),
  '/call': ({url, by}) => (by === 'fetch' ? fetched(url) : got(url))
}

function attempt(action) {
  try {
    return action() ?? 'done'
  } catch (error) {
    return error.code
  }
}

function outcome(emitter, event) {
  return new Promise((resolve) => {
    emitter.once(event, () => resolve('done'))
    emitter.once('error', (error) => resolve(error.code))
  })
}

async function fetched(url) {
  try {
    return await (await fetch(url)).text()
  } catch (error) {
    return error.cause?.code ?? error.message
  }
}

function got(url) {
  return new Promise((resolve) => {
    get(url, {agent: false}, async (answer) => resolve((await Array.fromAsync(answer)).join(''))).on('error', (error) =>
      resolve(error.code)
    )
  })
}

function throughProxy(to) {
  const {hostname, port} = new URL(process.env.HTTP_PROXY)
  const socket = connect({host: hostname, port: Number(port)})
  socket.end(`CONNECT ${to} HTTP/1.1\r\n\r\n`)
  return new Promise((resolve) => {
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', (error) => resolve(error.code))
  })
}

if (process.env.ECHO_CRASH) {
  process.stderr.write(`${process.env.ECHO_CRASH}\n`)
  process.exit(3)
}
if (process.env.ECHO_STUBBORN) process.on('SIGTERM', () => process.stdout.write('not yet\n'))
if (process.env.ECHO_POLITE) process.on('SIGTERM', () => process.exit(9))

if (!process.env.ECHO_SILENT) {
  createServer(async (request, response) => {
    const url = new URL(request.url, 'http://function')
    const action = actions[url.pathname]
    const body = (await Array.fromAsync(request)).join('')
    const facts = {method: request.method, body, env: process.env, uid: process.getuid?.(), argv: process.argv.slice(2)}
    response.end(JSON.stringify(action ? ((await action(Object.fromEntries(url.searchParams))) ?? 'done') : facts))
  }).listen(Number(process.env.PORT))
} else setInterval(() => undefined, 1000)
