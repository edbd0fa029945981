import {join} from 'node:path'
import {z} from 'zod'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import type {OwnerTerms} from '../core/availability.ts'
import {CreoError} from '../core/errors.ts'
import {LEASES_PER_NODE_DEFAULT, LEASES_PER_NODE_MOST} from '../core/lease-count.ts'
import {heartbeatSchema} from '../core/protocol/api.ts'
import {labelSchema, networkIdSchema, publicKeySchema} from '../core/protocol/scalars.ts'

export const DISK_BYTES_DEFAULT = 20 * 2 ** 30

const settingsSchema = z.object({
  format: z.literal('creo-miner-v1'),
  coordinatorUrl: z.url({protocol: /^https?$/}).max(200),
  networkId: networkIdSchema,
  /** From the genesis, whose hash is the network's id. */
  coordinatorKey: publicKeySchema.nullable(),
  network: z.enum(['production', 'development']).nullable(),
  name: labelSchema,
  earn: heartbeatSchema.shape.earn,
  memoryBytes: z.int().min(0),
  cpuMillis: z.int().min(0),
  functionsMax: z.int().min(1).max(LEASES_PER_NODE_MOST).default(LEASES_PER_NODE_DEFAULT),
  diskBytes: z.int().min(0).default(DISK_BYTES_DEFAULT),
  dataBytesPerMonth: z.int().min(0).nullable().default(null),
  hours: z
    .object({fromMinute: z.int().min(0).max(1439), toMinute: z.int().min(0).max(1440)})
    .nullable()
    .default(null),
  onlyIdle: z.boolean().default(false),
  onBattery: z.boolean().default(false),
  runtime: z.string().min(1).max(40),
  enrolled: z.boolean()
})
export type MinerSettings = z.output<typeof settingsSchema>
/** What the command line said this time. */
export type GivenSettings = {
  readonly [Name in Exclude<keyof MinerSettings, 'format' | 'enrolled' | 'coordinatorKey' | 'network'>]?:
    | (MinerSettings[Name] extends string[] ? readonly string[] : MinerSettings[Name])
    | undefined
}

/** The part that the owner may change while the node runs. */
export function termsOf({
  earn,
  memoryBytes,
  cpuMillis,
  functionsMax,
  diskBytes,
  dataBytesPerMonth,
  hours,
  onlyIdle,
  onBattery
}: MinerSettings): OwnerTerms {
  return {earn, memoryBytes, cpuMillis, functionsMax, diskBytes, dataBytesPerMonth, hours, onlyIdle, onBattery}
}

export function settingsPath(dataDirectory: string): string {
  return join(dataDirectory, 'settings.json')
}

export async function loadSettings(dataDirectory: string): Promise<MinerSettings | undefined> {
  const path = settingsPath(dataDirectory)
  const bytes = await readFileIfThere(path)
  if (bytes === undefined) return undefined
  try {
    return settingsSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (cause) {
    throw new CreoError('invalid_input', `${path} is not a miner's settings.`, {hint: 'Move it away and give the flags again.', cause})
  }
}

/** @throws {CreoError} `not_found` when no node was started with this folder and taken into its network. */
export async function assertEnrolled(dataDirectory: string): Promise<void> {
  if ((await loadSettings(dataDirectory))?.enrolled === true) return
  throw new CreoError('not_found', `No node of the folder ${dataDirectory} is enrolled yet.`, {hint: 'creo mine start'})
}

export async function saveSettings(dataDirectory: string, settings: MinerSettings): Promise<void> {
  await writeFileDurably(settingsPath(dataDirectory), `${JSON.stringify(settings, null, 2)}\n`)
}

/** "1.5" CPUs → 1500. @throws {CreoError} `invalid_input` for anything but a positive decimal. */
export function parseCpuMillis(text: string): number {
  const millis = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Math.round(Number(text) * 1000) : 0
  if (millis > 0) return millis
  throw new CreoError('invalid_input', `"${text}" is not a number of CPUs.`, {hint: 'Write for example 2 or 0.5.'})
}

/**
 * What was given now, over what was remembered, over the defaults.
 * @throws {CreoError} `usage` when something needed was never given or is malformed; `conflict` when the folder belongs to another network.
 */
export function mergeSettings(
  remembered: MinerSettings | undefined,
  given: GivenSettings,
  defaults: {readonly name: string; readonly memoryBytes: number; readonly cpuMillis: number; readonly runtime: string}
): MinerSettings {
  const moves = remembered !== undefined && given.networkId !== undefined && given.networkId !== remembered.networkId
  if (moves && remembered.enrolled) {
    throw new CreoError('conflict', 'This folder belongs to a node of another network.', {hint: 'Use another folder with --data.'})
  }
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const unpinned = {coordinatorKey: null, network: null}
  const merged = {format: 'creo-miner-v1', enrolled: false, ...unpinned, ...defaults, ...remembered, ...said, ...(moves ? unpinned : {})}
  for (const [name, flag] of [
    ['coordinatorUrl', '--coordinator'],
    ['networkId', '--network-id'],
    ['earn', '--earn']
  ] as const) {
    if (!(name in merged)) throw new CreoError('usage', `${flag} is missing.`, {hint: MISSING_HINT[name]})
  }
  const parsed = settingsSchema.safeParse(merged)
  if (parsed.success) return parsed.data
  throw malformed(merged, parsed.error)
}

const JOIN_HINT = 'Run creo network join URL --id HASH first, or give --coordinator URL --network-id HASH at the first start.'
const MISSING_HINT = {
  coordinatorUrl: JOIN_HINT,
  networkId: JOIN_HINT,
  earn: 'Give --earn gutta, or what creo mine offers shows, at the first start; it is remembered.'
}

/** What each flag must be, and one thing to do. */
const FLAG_WORDS: Readonly<Record<string, readonly [flag: string, fault: string, hint: string]>> = {
  coordinatorUrl: ['--coordinator', 'is not the address of a coordinator', 'Write for example http://127.0.0.1:7700'],
  networkId: ['--network-id', 'is not the id of a network', 'It is 64 digits from 0 to f; who runs the network tells it.'],
  earn: ['--earn', 'is nothing to earn', 'An incentive is org/CODE, org:NAME or gutta; at most 64 of them.'],
  name: ['--name', 'is not a name', 'Write one line of at most 120 characters.'],
  runtime: ['--runtime', 'is not the name of a runtime', 'For example --runtime podman'],
  memoryBytes: ['--memory', 'is too much', 'For example --memory 2GiB'],
  cpuMillis: ['--cpu', 'is too much', 'For example --cpu 1'],
  functionsMax: ['--functions', 'is not a number of functions', `Write one from 1 to ${LEASES_PER_NODE_MOST}.`],
  diskBytes: ['--disk', 'is too much', 'For example --disk 20GiB'],
  dataBytesPerMonth: ['--data', 'is too much', 'For example --data 20GB/month, or none']
}

function malformed(merged: Readonly<Record<string, unknown>>, cause: z.ZodError): CreoError {
  const [name = '', place] = cause.issues[0]?.path ?? []
  const [flag, fault, hint] = FLAG_WORDS[String(name)] ?? [String(name), 'is not valid', 'creo mine start --help']
  const value = merged[String(name)]
  return new CreoError('usage', `${flag} ${Array.isArray(value) ? (value[Number(place)] ?? value.join(' ')) : value} ${fault}.`, {
    hint,
    cause
  })
}
