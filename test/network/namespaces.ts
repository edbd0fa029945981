import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {connect as connectPlain} from 'node:net'
import {join} from 'node:path'
import {connect as connectTls} from 'node:tls'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {Agent, type buildConnector} from 'undici'

const GATE = fileURLToPath(new URL('./gate-process.ts', import.meta.url))
const CLOUD_ADDRESS = '10.213.7.1'
const HOME_ADDRESS = '10.213.7.2'

/** Two hosts on this machine with one line between them: gateways and coordinator are in the cloud, one miner is at home. */
export interface Namespaces {
  /** Where the cloud is reached from home. */
  readonly address: string
  /** What a command line begins with so that it runs there. */
  readonly cloud: readonly string[]
  readonly home: readonly string[]
  /** HTTP as a client in the cloud speaks it; certificates are anybody's. */
  readonly agent: Agent
  /** Everything on the line is lost, and nobody is told. */
  cut(): Promise<void>
  mend(): Promise<void>
  close(): Promise<void>
}

/** Undefined where this user may not make network namespaces. `folder` holds the way in. */
export async function openNamespaces(folder: string): Promise<Namespaces | undefined> {
  const names = {cloud: `creo-${process.pid}-cloud`, home: `creo-${process.pid}-home`}
  const remove = async (): Promise<void> => {
    for (const name of Object.values(names)) await execa('ip', ['netns', 'del', name], {reject: false})
  }
  try {
    await layOut(names)
  } catch {
    await remove()
    return undefined
  }
  const inside = (name: string): readonly string[] => ['nsenter', `--net=/run/netns/${name}`, '--']
  const places = {cloud: inside(names.cloud), home: inside(names.home)}
  const path = join(folder, 'cloud.sock')
  const gate = await openGate([...places.cloud, process.execPath, GATE, path])
  const agent = new Agent({connections: 64, connect: through(path)})
  const nft = async (...args: readonly string[]): Promise<void> => {
    for (const [program = '', ...first] of Object.values(places)) await execa(program, [...first, 'nft', ...args])
  }
  return {
    address: CLOUD_ADDRESS,
    ...places,
    agent,
    cut: () =>
      nft('add table inet cut; add chain inet cut in { type filter hook input priority 0; }; add rule inet cut in iifname line drop'),
    mend: () => nft('delete', 'table', 'inet', 'cut'),
    close: async () => {
      await agent.destroy()
      gate.kill('SIGKILL')
      await remove()
    }
  }
}

async function layOut(names: {readonly cloud: string; readonly home: string}): Promise<void> {
  const {cloud, home} = names
  const ip = (...args: readonly string[]): Promise<unknown> => execa('ip', args)
  await ip('netns', 'add', cloud)
  await ip('netns', 'add', home)
  await ip('-n', cloud, 'link', 'add', 'line', 'type', 'veth', 'peer', 'name', 'line', 'netns', home)
  for (const [name, address] of [
    [cloud, CLOUD_ADDRESS],
    [home, HOME_ADDRESS]
  ] as const) {
    await ip('-n', name, 'address', 'add', `${address}/30`, 'dev', 'line')
    await ip('-n', name, 'link', 'set', 'line', 'up')
    await ip('-n', name, 'link', 'set', 'lo', 'up')
  }
}

/** A process in the cloud that joins each connection to a unix socket, whose first line is HOST PORT, to that address. */
async function openGate([program = '', ...args]: readonly string[]): Promise<ChildProcess> {
  const gate = spawn(program, args, {stdio: ['pipe', 'pipe', 'inherit']})
  await once(gate.stdout, 'data')
  return gate
}

function through(path: string): buildConnector.connector {
  return ({hostname, port, protocol}, callback) => {
    const plain = connectPlain(path)
    plain.write(`${hostname} ${port}\n`)
    const socket = protocol === 'https:' ? connectTls({socket: plain, rejectUnauthorized: false}) : plain
    socket.once('error', (error) => callback(error, null))
    socket.once(protocol === 'https:' ? 'secureConnect' : 'connect', () => callback(null, socket))
  }
}
