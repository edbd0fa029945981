import {mkdir, rm} from 'node:fs/promises'
import {createServer} from 'node:http'
import {type AddressInfo, connect} from 'node:net'
import {dirname, join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {openEgressProxy} from '../../src/miner/egress-proxy.ts'
import {PROXY_SOCKET} from '../../src/runtime/ways-out.ts'
import {attempt, connectThrough, type ProbeWorld, patience} from './probe-world.ts'

/** What is done to the way in. The miner looks at it before each connection, and connects to a socket alone. */
export const DOORS: readonly {readonly attack: string; readonly what: string}[] = [
  {attack: 'door-as-link', what: 'put a link to a socket of the host in the place of its own'},
  {attack: 'door-as-file', what: 'put a file in the place of its socket'},
  {attack: 'door-as-pipe', what: 'put a pipe in the place of its socket'},
  {attack: 'door-as-folder', what: 'put a folder in the place of its socket'}
]
/** Allowed by the manifest; its name server changes its mind after the first answer. */
const REBINDING_HOST = 'rebinding.example'
const PUBLIC_ADDRESS = '93.184.216.34'

/** What a function reaches by the way in and by the way out that it is given. */
export function reachTests(world: () => ProbeWorld): void {
  test.each(DOORS)('may $what, and is cut off for it', async ({attack}) => {
    const instance = await world().start(attack)
    expect((await attempt(instance, attack)).result).toBe('succeeded')
    await expect(attempt(instance, 'work')).rejects.toMatchObject({code: 'rejected'})
    await instance.stop({graceMs: 0}, patience())
    expect(world().reached()).toBe(0)
  })

  test('reaches the coordinator alone through the proxy that it is given', async () => {
    const {socketPath, connected} = await openProxy(world())
    const instance = await world().start('with-a-way-out', {waysOut: {directory: dirname(socketPath), proxy: true, hosts: []}})
    const port = world().baitPort
    const statuses: Record<string, number> = {}
    const asked = [
      'coordinator.internal:80',
      'coordinator.internal:22',
      `127.0.0.1:${port}`,
      `[::1]:${port}`,
      `localhost:${port}`,
      '169.254.169.254:80',
      '192.168.1.1:80',
      'elsewhere.example:443',
      `${REBINDING_HOST}:25`
    ]
    for (const authority of asked) statuses[authority] = await connectThrough(instance, authority)
    const [allowed, ...refused] = Object.values(statuses)
    expect([allowed, new Set(refused)]).toEqual([200, new Set([403])])
    expect([
      await connectThrough(instance, `${REBINDING_HOST}:${port}`),
      await connectThrough(instance, `${REBINDING_HOST}:${port}`)
    ]).toEqual([502, 403])
    expect(connected()).toEqual([`${PUBLIC_ADDRESS}:${port}`])
    await instance.stop({graceMs: 0}, patience())
  })
}

/** The miner's proxy with a coordinator behind it, and a name server that first says a public address and then this machine's own. */
async function openProxy(world: ProbeWorld): Promise<{socketPath: string; connected(): readonly string[]}> {
  const coordinator = createServer((_request, response) => void response.end('coordinator'))
  await new Promise<void>((resolve) => coordinator.listen(0, '127.0.0.1', resolve))
  const folder = join(world.directory, 'proxy')
  await mkdir(folder, {recursive: true})
  const answers = [[PUBLIC_ADDRESS], ['127.0.0.1']]
  const connected: string[] = []
  const proxy = await openEgressProxy({
    socketPath: join(folder, PROXY_SOCKET),
    allowedHosts: ['coordinator.internal', REBINDING_HOST],
    coordinatorUrl: `http://127.0.0.1:${(coordinator.address() as AddressInfo).port}`,
    resolve: async () => answers.shift() ?? [],
    // Nothing leaves the test: what was chosen is written down, and a path without a listener is dialled.
    connect: (address, port) => {
      connected.push(`${address}:${port}`)
      return connect({path: join(folder, 'nowhere')})
    }
  })
  onTestFinished(async () => {
    await proxy.close()
    coordinator.close()
    await rm(folder, {recursive: true})
  })
  return {socketPath: join(folder, PROXY_SOCKET), connected: () => connected}
}
