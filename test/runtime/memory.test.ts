import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {createMemoryRuntime, type MemoryFunction} from '../../src/runtime/memory-runtime.ts'
import {runtimeContract} from '../support/runtime-contract.ts'

const DIGEST = `sha256:${'e'.repeat(64)}`
const NO_PROCESS = 'a function of the memory runtime is no process of its own'
const ENDS = 'its functions end with the process'

const echo: MemoryFunction = ({argv, env, log, exit, onTerminate}) => {
  if (env.ECHO_CRASH) {
    log(env.ECHO_CRASH)
    exit(3)
  }
  if (env.ECHO_STUBBORN) onTerminate(() => log('not yet'))
  if (env.ECHO_POLITE) onTerminate(() => exit(9))
  return async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://function')
    if (url.pathname === '/log') log(String(url.searchParams.get('text')))
    if (url.pathname === '/crash') exit(Number(url.searchParams.get('code')))
    const body = await text(request)
    response.end(JSON.stringify({method: request.method, body, env, argv}))
  }
}

runtimeContract(
  'memory',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'creo-memory-'))
    const runtime = createMemoryRuntime({directory, images: new Map([[DIGEST, echo]])})
    return {
      runtime,
      echoImage: {layoutDirectory: directory, manifestDigest: DIGEST},
      reopen: async () => runtime,
      close: () => rm(directory, {recursive: true})
    }
  },
  {
    'hands its instances to a later process': ENDS,
    'hands a frozen function to a later process, which thaws it': ENDS,
    'hands an instance that is initialised to a later process, which runs it': ENDS,
    'hands an instance that is created to a later process, which runs it': ENDS,
    'enforces limits and says so': NO_PROCESS,
    'ends a function that takes more memory than it may, and says that this was why': NO_PROCESS,
    'lets a function start no more processes than it may': NO_PROCESS,
    'gives a function scratch space of the size it may use, and nothing else to write to': NO_PROCESS,
    'runs a function as nobody of the host': NO_PROCESS,
    'takes every privilege from a function': NO_PROCESS,
    'gives a function no network but its own loopback': NO_PROCESS,
    'refuses new user namespaces': NO_PROCESS,
    'connects a function to the proxy it was given, and to none otherwise': NO_PROCESS,
    'connects a function to the hosts it was given, by their names alone, also through a socket that a later process made': NO_PROCESS
  }
)
