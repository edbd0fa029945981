import {fileURLToPath} from 'node:url'
import type {Interfaces} from '@oclif/core'
import {programFile} from '../config/paths.ts'
import {CreoError} from '../core/errors.ts'
import type {ContainerRuntime, RuntimeProvider, RuntimeTools} from '../runtime/port.ts'
import {sandboxTools} from '../runtime/sandbox-tools.ts'

/** A plugin that takes longer to answer the `runtimes` hook counts as broken. */
const HOOK_TIMEOUT_MS = 10_000
const PACKAGING = programFile('packaging/')

type Environment = Readonly<Record<string, string | undefined>>
type HookRunner = Pick<Interfaces.Config, 'runHook'>

/** What the installed plugins offer: runtimes that can be created, and plugins that were skipped, with why. */
export interface FoundRuntimes {
  readonly providers: readonly (RuntimeProvider & {readonly plugin: string})[]
  readonly broken: readonly {readonly plugin: string; readonly reason: string}[]
}

/** Asks every oclif plugin for container runtimes. A plugin that throws, hangs or answers nonsense is named and left out. */
export async function findRuntimes(config: HookRunner): Promise<FoundRuntimes> {
  const answers = await config.runHook('runtimes', {}, HOOK_TIMEOUT_MS, true)
  const providers: (RuntimeProvider & {readonly plugin: string})[] = []
  const broken = answers.failures.map(({plugin, error}) => ({plugin: plugin.name, reason: error.message}))
  for (const {plugin, result} of answers.successes) {
    if (!isProviderList(result)) {
      broken.push({plugin: plugin.name, reason: 'Its runtimes hook does not answer a list of {name, create}.'})
      continue
    }
    for (const provider of result) {
      const rival = providers.find(({name}) => name === provider.name)
      if (rival) broken.push({plugin: plugin.name, reason: `${rival.plugin} has a runtime named ${provider.name} already.`})
      else providers.push({name: provider.name, plugin: plugin.name, create: (tools) => provider.create(tools)})
    }
  }
  return {providers, broken}
}

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
  if (provider) return provider.create(tools)
  const names = found.providers.map((one) => `--runtime ${one.name}`).join(' or ')
  throw new CreoError(
    'runtime_missing',
    name === undefined ? 'No plugin offers a container runtime.' : `No plugin offers the runtime "${name}".`,
    {
      hint: names === '' ? 'creo plugins install @creometry/runtime-podman' : `Give ${names}`
    }
  )
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

function isProviderList(value: unknown): value is readonly RuntimeProvider[] {
  return Array.isArray(value) && value.every(isProvider)
}

function isProvider(value: unknown): value is RuntimeProvider {
  if (typeof value !== 'object' || value === null) return false
  return 'name' in value && typeof value.name === 'string' && 'create' in value && typeof value.create === 'function'
}
