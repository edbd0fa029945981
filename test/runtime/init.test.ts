import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync, watch} from 'node:fs'
import {mkdtemp, readdir, readFile, readlink, rm} from 'node:fs/promises'
import {connect, createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {buffer} from 'node:stream/consumers'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {secretsBytes} from '../../src/runtime/ways-out.ts'
import {freePort} from '../support/free-port.ts'

const SOURCE = fileURLToPath(new URL('../../packaging/init', import.meta.url))
const INIT = join(SOURCE, `creo-init-${process.arch === 'arm64' ? 'arm64' : 'amd64'}`)
const COMPILER_VERSION = '12.2.0'
const BODY_BYTES = 8 * 2 ** 20
const GENEROUS = {timeout: 30_000}

let directory: string
const started: ChildProcess[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'creo-init-'))
})
afterEach(async () => {
  for (const init of started.splice(0)) init.kill('SIGKILL')
  await rm(directory, {recursive: true})
})

const compilers = await Promise.all(['x86_64-linux-gnu-gcc', 'aarch64-linux-gnu-gcc'].map(versionOf))
const samePins = compilers.every((version) => version === COMPILER_VERSION)

/** Where `CI` is set, other compilers than the pinned ones fail it. */
test.skipIf(!samePins && process.env.CI === undefined)(
  'the committed programs are what their sources compile to, byte for byte',
  async () => {
    await execa(join(SOURCE, 'build.sh'), [directory])
    for (const name of ['creo-init-amd64', 'creo-init-arm64', 'creo-log-amd64', 'creo-log-arm64']) {
      const [rebuilt, committed] = await Promise.all([readFile(join(directory, name)), readFile(join(SOURCE, name))])
      expect(rebuilt.equals(committed), name).toBe(true)
    }
  }
)

describe('the init', () => {
  test('makes its socket appear when the function listens, and passes bytes and half-closes both ways', async () => {
    const init = await start(`require('net').createServer({allowHalfOpen: true}, (s) => s.pipe(s)).listen(process.env.PORT)`)
    await socketAppears()
    const sent = Buffer.alloc(BODY_BYTES, 'creo')
    const client = connect({path: socketPath(), allowHalfOpen: true})
    client.end(sent)
    expect((await buffer(client)).equals(sent)).toBe(true)
    init.kill('SIGTERM')
    expect(await once(init, 'exit')).toEqual([143, null])
    expect(existsSync(socketPath())).toBe(false)
  })

  test('exits as its command does, and hands it signals', async () => {
    const polite = await start(`process.on('SIGUSR1', () => process.exit(5)); process.stdout.write('ready'); setInterval(() => 0, 1000)`)
    await once(polite.stdout as NodeJS.ReadableStream, 'data')
    polite.kill('SIGUSR1')
    expect(await once(polite, 'exit')).toEqual([5, null])
  })

  test('takes a connection that came when it had no descriptor left, without waiting for another', async () => {
    const init = await start(`require('net').createServer((s) => s.end('hello')).listen(process.env.PORT)`)
    await socketAppears()
    // Its question to the function is a socket, too, until the function has ended that.
    await expect.poll(() => socketsOf(init), GENEROUS).toBe(1)
    const open = new Set(await readdir(`/proc/${init.pid}/fd`))
    const lowestFree = [...open.keys(), ''].findIndex((_, number) => !open.has(String(number)))
    const limit = (files: number) => execa('prlimit', ['--pid', String(init.pid), `--nofile=${files}:`])
    await limit(lowestFree)
    const before = await turnsOf(init)
    const client = connect({path: socketPath()})
    await once(client, 'connect')
    await expect.poll(() => turnsOf(init), GENEROUS).toBeGreaterThan(before)
    await limit(1024)
    expect(String(await buffer(client))).toBe('hello')
    init.kill('SIGTERM')
    await once(init, 'exit')
  })

  test('lets a function that speaks to its question finish', async () => {
    const answer = `(s) => s.resume().on('end', () => s.end(Buffer.alloc(2 ** 20, 'creo')))`
    const init = await start(`require('net').createServer({allowHalfOpen: true}, ${answer}).listen(process.env.PORT)`)
    await socketAppears()
    const client = connect({path: socketPath(), allowHalfOpen: true})
    client.end()
    expect((await buffer(client)).length).toBe(2 ** 20)
    expect(init.exitCode).toBeNull()
    init.kill('SIGTERM')
    await once(init, 'exit')
  })

  test.skipIf(process.getuid?.() !== 0)(
    'does not take its own question for an answer, when the port is one that the kernel hands out',
    async () => {
      const script = `setTimeout(() => require('net').createServer((s) => s.end('hello')).listen(40000), 500)`
      const shell = 'ip link set lo up && echo "40000 40003" >/proc/sys/net/ipv4/ip_local_port_range && exec "$@"'
      const args = [
        '--net',
        'sh',
        '-c',
        shell,
        'sh',
        INIT,
        '--port',
        '40000',
        '--listen',
        socketPath(),
        '--',
        process.execPath,
        '-e',
        script
      ]
      const init = spawn('unshare', args, {stdio: 'inherit'})
      started.push(init)
      await socketAppears()
      expect(String(await buffer(connect({path: socketPath()})))).toBe('hello')
      init.kill('SIGTERM')
      await once(init, 'exit')
    }
  )

  test('relays each way out to its own socket, looks for that socket anew at each connection, and keeps the way in open', async () => {
    const [ports, names] = [
      [await freePort(), await freePort()],
      ['one', 'two']
    ]
    const outs = ports.flatMap((port, index) => ['--out', `${port}:${join(directory, names[index] ?? '')}`])
    const init = await start(`require('net').createServer((s) => s.end('hello')).listen(process.env.PORT)`, outs)
    await socketAppears()
    const said = async (index: number) => String(await buffer(connect({port: ports[index] ?? 0, host: '127.0.0.1'})))
    const answering = async (name: string) => {
      const server = createServer((socket) => socket.end(name)).listen(join(directory, name))
      await once(server, 'listening')
      return server
    }
    const servers = [await answering('one'), await answering('two')]
    expect([await said(0), await said(1)]).toEqual(['one', 'two'])
    for (const server of servers) await new Promise((resolve) => server.close(resolve))
    expect(await said(0)).toBe('')
    const again = await answering('one')
    expect(await said(0)).toBe('one')
    again.close()
    expect(String(await buffer(connect({path: socketPath()})))).toBe('hello')
    init.kill('SIGTERM')
    await once(init, 'exit')
  })

  test("adds what the socket of secrets says to its command's environment, as much as a function may name", async () => {
    const secrets = Object.fromEntries(Array.from({length: 32}, (_, index) => [`SECRET_${index}`, `${index} = é\n`.padEnd(8191, 'x')]))
    const [status, words] = await withSecrets(secretsBytes(secrets))
    expect([status, JSON.parse(words)]).toMatchObject([0, {...secrets, PORT: expect.any(String)}])
    expect(await withSecrets(secretsBytes({}))).toMatchObject([0, expect.not.stringContaining('SECRET')])
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a value that is cut', Buffer.from('A=1\0B=hal')],
    ['no end after the last value', Buffer.from('A=1\0')],
    ['more than fits', Buffer.from(`A=${'x'.repeat(300 * 1024)}\0\0`)],
    ['more values than there may be', secretsBytes(Object.fromEntries(Array.from({length: 33}, (_, index) => [`S${index}`, ''])))]
  ])('does not start its command when the socket of secrets says %s', async (_, bytes) => {
    const [status, words] = await withSecrets(bytes)
    expect([status, words]).toEqual([126, expect.stringMatching(/^creo-init: the secrets did not come from .*secrets\n$/)])
  })

  test.each([['0:/a'], ['70000:/a'], ['80'], [`80:/${'a'.repeat(120)}`]])('refuses the way out %s', async (out) => {
    const init = spawn(INIT, ['--port', '8080', '--listen', socketPath(), '--out', out, '--', 'true'])
    expect(await once(init, 'exit')).toEqual([125, null])
  })

  test('says in words that there is nothing to run', async () => {
    const init = spawn(INIT, ['--port', '1', '--listen', socketPath(), '--', 'no-such-program'])
    const words = buffer(init.stderr)
    expect(await once(init, 'exit')).toEqual([127, null])
    expect(String(await words)).toBe('creo-init: cannot run no-such-program: not found\n')
  })

  test('refuses wrong usage', async () => {
    const init = spawn(INIT, ['--port', '70000', '--listen', socketPath(), '--', 'true'])
    expect(await once(init, 'exit')).toEqual([125, null])
  })

  test('reaps the orphans of its command when it is the first process of its namespace', async () => {
    const orphans = 'for i in 1 2 3 4 5; do (sh -c "exit 0" &); done'
    const shell = `${orphans} | cat; for try in $(seq 1000); do grep -qs zombie /proc/[0-9]*/status || exit 0; done; exit 1`
    const args = ['--pid', '--fork', '--mount-proc', INIT, '--port', '1', '--listen', socketPath(), '--', 'sh', '-c', shell]
    expect((await execa('unshare', args, {reject: false})).exitCode).toBe(0)
  })
})

function socketPath(): string {
  return join(directory, 'http.sock')
}

async function start(script: string, outs: readonly string[] = []): Promise<ChildProcess> {
  const port = await freePort()
  const args = ['--port', String(port), '--listen', socketPath(), ...outs, '--', process.execPath, '-e', script]
  const init = spawn(INIT, args, {env: {...process.env, PORT: String(port)}, stdio: ['ignore', 'pipe', 'inherit']})
  started.push(init)
  return init
}

/** How a command ends that prints its environment, and what was printed. */
async function withSecrets(bytes: Buffer): Promise<readonly [number | undefined, string]> {
  const path = join(directory, 'secrets')
  const server = createServer((socket) => socket.on('error', () => socket.destroy()).end(bytes)).listen(path)
  await once(server, 'listening')
  const args = ['--port', '8080', '--listen', socketPath(), '--secrets', path, '--']
  const script = 'process.stdout.write(JSON.stringify(process.env))'
  const {exitCode, all} = await execa(INIT, [...args, process.execPath, '-e', script], {
    env: {PORT: '8080'},
    reject: false,
    all: true,
    stripFinalNewline: false
  })
  server.close()
  return [exitCode, all]
}

/** How many sockets a process has beside its standard streams. */
async function socketsOf({pid}: ChildProcess): Promise<number> {
  const names = (await readdir(`/proc/${pid}/fd`)).filter((name) => Number(name) > 2)
  const targets = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => 'closed')))
  return targets.filter((target) => target.startsWith('socket:')).length
}

/** How often a process has gone to sleep. */
async function turnsOf({pid}: ChildProcess): Promise<number> {
  return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1])
}

async function socketAppears(): Promise<void> {
  const watcher = watch(directory)
  while (!existsSync(socketPath())) await once(watcher, 'change')
  watcher.close()
}

async function versionOf(compiler: string): Promise<string | undefined> {
  const {stdout} = await execa(compiler, ['-dumpfullversion'], {reject: false})
  return stdout
}
