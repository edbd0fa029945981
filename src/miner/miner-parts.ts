import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import type {OwnerTerms} from '../core/availability.ts'
import {nodeIdOf} from '../identity/keys.ts'
import type {RuntimeProbe} from '../runtime/port.ts'
import {DataPlan} from './data-plan.ts'
import {DiskRoom} from './disk-room.ts'
import type {HostRules} from './host-rules.ts'
import {ImageCache} from './image-cache.ts'
import {type InstanceNames, openInstanceNames} from './instance-names.ts'
import {LeaseBook} from './lease-book.ts'
import {type LogPositions, openLogPositions} from './log-positions.ts'
import type {MinerOptions} from './miner-options.ts'
import {MinerStore} from './miner-store.ts'
import {SecretBook} from './secret-book.ts'

/** What a node has open on its data directory before anything runs. */
export interface MinerParts {
  readonly options: MinerOptions
  readonly probe: RuntimeProbe
  readonly lifetime: AbortController
  readonly node: string
  readonly book: LeaseBook
  readonly images: ImageCache
  readonly store: MinerStore
  readonly data: DataPlan
  readonly disk: DiskRoom
  readonly names: InstanceNames
  readonly positions: LogPositions
  readonly secrets: SecretBook
}

/** What these parts ask of those that are made of them. */
export interface MadeOfParts {
  /** Undefined until they are made. */
  readonly rules: () => Pick<HostRules, 'terms' | 'assertWorking'> | undefined
  /** A revision has newer secrets. */
  readonly onSecretsChanged: (revision: string) => void
}

/** @throws {CreoError} `data_dir_unwritable`, and what the files of an earlier process are not. */
export async function openParts(
  opened: Pick<MinerParts, 'options' | 'probe' | 'lifetime'>,
  {rules, onSecretsChanged}: MadeOfParts
): Promise<MinerParts> {
  const {options, probe, lifetime} = opened
  const {network, nodeKey} = options
  const node = nodeIdOf(nodeKey.publicKey)
  const file = (name: string): string => join(options.dataDirectory, name)
  await mkdir(file('images'), {recursive: true})
  const book = await LeaseBook.open({path: file('table.json'), network: network.id, coordinatorKey: network.coordinatorKey, node})
  const terms = (): OwnerTerms => rules()?.terms ?? options.terms
  const data = await DataPlan.open({dataDirectory: options.dataDirectory, terms, now: options.now, timeZone: options.timeZone})
  const disk = new DiskRoom(() => terms().diskBytes)
  const images = await ImageCache.open({
    directory: file('images'),
    registryUrl: options.coordinatorUrl,
    authorize: options.client.authorizeRegistry,
    runtime: options.runtime,
    architecture: probe.architecture,
    disk,
    data,
    assertMayFetch: () => rules()?.assertWorking()
  })
  const store = MinerStore.open(file('miner.sqlite'))
  const names = await openInstanceNames(file('instances.json'), options.log)
  const positions = await openLogPositions(file('printed.json'), options.log)
  const secrets = await SecretBook.open({
    ...options,
    directory: file('secrets'),
    keyPath: file('secrets.key'),
    network: network.id,
    onChanged: onSecretsChanged,
    signal: lifetime.signal
  })
  return {options, probe, lifetime, node, book, images, store, data, disk, names, positions, secrets}
}
