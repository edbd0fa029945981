import type {Interfaces} from '@oclif/core'
import type {RuntimeProvider} from './port.ts'

/** A plugin that takes longer to answer the `runtimes` hook counts as broken. */
const HOOK_TIMEOUT_MS = 10_000

type HookRunner = Pick<Interfaces.Config, 'runHook'>

/** What the installed plugins offer: runtimes that can be created, and plugins that were skipped, with why. */
export interface FoundRuntimes {
  readonly providers: readonly (RuntimeProvider & {readonly plugin: string})[]
  readonly broken: readonly {readonly plugin: string; readonly reason: string}[]
}

/**
 * Asks every oclif plugin for container runtimes. A plugin that throws, hangs or answers nonsense is named and left out. Those that creo brings come first, so
 * that no other takes the name of one, and then by name, not by who answers first.
 */
export async function findRuntimes(config: HookRunner): Promise<FoundRuntimes> {
  const answers = await config.runHook('runtimes', {}, HOOK_TIMEOUT_MS, true)
  const providers: (RuntimeProvider & {readonly plugin: string})[] = []
  const broken = answers.failures.map(({plugin, error}) => ({plugin: plugin.name, reason: error.message}))
  const ordered = [...answers.successes].sort((a, b) => rank(a.plugin) - rank(b.plugin) || (a.plugin.name < b.plugin.name ? -1 : 1))
  for (const {plugin, result} of ordered) {
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

function rank({type}: {readonly type: string}): number {
  return type === 'core' ? 0 : 1
}

function isProviderList(value: unknown): value is readonly RuntimeProvider[] {
  return Array.isArray(value) && value.every(isProvider)
}

function isProvider(value: unknown): value is RuntimeProvider {
  if (typeof value !== 'object' || value === null) return false
  return 'name' in value && typeof value.name === 'string' && 'create' in value && typeof value.create === 'function'
}
