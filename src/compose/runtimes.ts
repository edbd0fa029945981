import {fileURLToPath} from 'node:url'
import {programFile} from '../config/paths.ts'
import {CreoError, isCreoError} from '../core/errors.ts'
import type {FoundRuntimes} from '../runtime/find-runtimes.ts'
import type {ContainerRuntime, RuntimeTools} from '../runtime/port.ts'
import {sandboxTools} from '../runtime/sandbox-tools.ts'

const PACKAGING = programFile('packaging/')

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Creates the runtime called `name`, or the first that a plugin offers.
 * @throws {CreoError} `runtime_missing` when no plugin offers it.
 */
export async function createRuntime(options: {
  readonly found: FoundRuntimes
  readonly name?: string
  readonly tools: RuntimeTools
}): Promise<ContainerRuntime> {
  const {found, name, tools} = options
  const provider = name === undefined ? found.providers[0] : found.providers.find((one) => one.name === name)
  if (provider) return await created(provider, tools)
  const names = found.providers.map((one) => `--runtime ${one.name}`).join(' or ')
  throw new CreoError(
    'runtime_missing',
    name === undefined ? 'No plugin offers a container runtime.' : `No plugin offers the runtime "${name}".`,
    {
      hint: names === '' ? 'creo plugins install @creometry/runtime-podman' : `Give ${names}`
    }
  )
}

async function created(provider: FoundRuntimes['providers'][number], tools: RuntimeTools): Promise<ContainerRuntime> {
  try {
    return await provider.create(tools)
  } catch (cause) {
    if (isCreoError(cause)) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CreoError('runtime_missing', `The plugin ${provider.plugin} can't make its runtime "${provider.name}": ${why}`, {
      hint: `creo plugins update, or creo plugins uninstall ${provider.plugin}`,
      cause
    })
  }
}

/** What a runtime plugin is handed. `stateDirectory` is absolute and its own. */
export async function runtimeTools(options: {
  readonly stateDirectory: string
  readonly env: Environment
  readonly log: RuntimeTools['log']
}): Promise<RuntimeTools> {
  const [{execa}, {undiciParts}] = await Promise.all([import('execa'), import('../client/undici-parts.ts')])
  const sandbox = sandboxTools({packaging: PACKAGING, execa})
  return {...options, initPath: initPath(), sandbox, execa, undici: undiciParts, CreoError}
}

/** The committed static init for this machine's architecture. */
export function initPath(): string {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  return fileURLToPath(new URL(`init/creo-init-${architecture}`, PACKAGING))
}
