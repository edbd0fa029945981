import {mkdir, readdir, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {z} from 'zod'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import {receiptSchema} from '../core/protocol/receipts.ts'
import {countSchema, leaseIdSchema, nodeIdSchema, revisionIdSchema, timeMsSchema} from '../core/protocol/scalars.ts'
import type {SignedProposal} from '../identity/receipts.ts'

const counterSchema = z.strictObject({
  node: nodeIdSchema,
  revision: revisionIdSchema,
  lease: leaseIdSchema,
  requests: countSchema,
  requestsFailed: countSchema,
  mibMs: countSchema,
  bytesIn: countSchema,
  bytesOut: countSchema
})
/** Work of one lease in the open window. */
export type Counter = z.output<typeof counterSchema>

const openWindowSchema = z.strictObject({
  /** Number of the window that these counters will be proposed as: reserved by this file before it is used. */
  window: z.int().min(0),
  startMs: timeMsSchema,
  durationMs: z.int().min(0),
  counters: z.array(counterSchema),
  /** Requests of all closed windows, by revision. */
  totals: z.record(revisionIdSchema, countSchema)
})
export type OpenWindow = z.output<typeof openWindowSchema>

const proposalsSchema = z.array(receiptSchema.pick({proposal: true, gatewaySignature: true}))

/** What the meter keeps on disk: the open window in one file, and one file for each window with unsettled proposals. */
export interface MeterFiles {
  saveOpen(open: OpenWindow): Promise<void>
  saveProposals(window: number, proposals: readonly SignedProposal[]): Promise<void>
  dropProposals(window: number): Promise<void>
}

export interface KeptMeter {
  readonly files: MeterFiles
  readonly open: OpenWindow | undefined
  /** By window number, lowest first. */
  readonly proposals: ReadonlyMap<number, readonly SignedProposal[]>
}

/** @throws {CreoError} `failed` when a file was damaged: counting on from nothing could pay a window twice. */
export async function readMeterFiles(directory: string): Promise<KeptMeter> {
  const folder = join(directory, 'proposals')
  await mkdir(folder, {recursive: true, mode: 0o700})
  const openPath = join(directory, 'meter.json')
  const pathOf = (window: number): string => join(folder, `${window}.json`)
  const windows = (await readdir(folder))
    .filter((name) => /^\d{1,16}\.json$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b)
  const proposals = new Map<number, readonly SignedProposal[]>()
  for (const window of windows) {
    const kept = await readJson(pathOf(window), proposalsSchema)
    if (kept !== undefined) proposals.set(window, kept)
  }
  return {
    open: await readJson(openPath, openWindowSchema),
    proposals,
    files: {
      saveOpen: (open) => writeFileDurably(openPath, JSON.stringify(open)),
      saveProposals: (window, signed) => writeFileDurably(pathOf(window), JSON.stringify(signed)),
      dropProposals: (window) => rm(pathOf(window), {force: true})
    }
  }
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const bytes = await readFileIfThere(path)
  if (bytes === undefined) return undefined
  try {
    return schema.parse(JSON.parse(bytes.toString()))
  } catch (cause) {
    throw new CreoError('failed', `${path} is damaged.`, {
      hint: 'Restore it from a backup, or give the gateway a new key and folder.',
      cause
    })
  }
}
