import {setTimeout as wait} from 'node:timers/promises'
import {lockHolder} from '../config/directory-lock.ts'
import type {ProcessIdentity} from '../config/process-identity.ts'
import type {OwnerTerms} from '../core/availability.ts'
import {CreoError} from '../core/errors.ts'
import {loadSettings, mergeSettings, saveSettings, termsOf} from '../miner/settings.ts'

const LOOK_EVERY_MS = 100
/** Finishing requests, stopping containers and handing in receipts end by themselves within this. */
const DRAIN_MAX_MS = 120_000

type GivenTerms = {readonly [Name in keyof OwnerTerms]?: OwnerTerms[Name] | undefined}

/**
 * Changes what a node's owner lends. A node that runs takes it within a second, another one at its next start.
 * @throws {CreoError} `not_found` when no node was ever started with this folder; `usage` when nothing is changed or something is malformed.
 */
export async function changeTerms(directory: string, given: GivenTerms): Promise<{readonly terms: OwnerTerms; readonly running: boolean}> {
  if (Object.values(given).every((value) => value === undefined)) {
    throw new CreoError('usage', 'Nothing was said to change.', {hint: 'For example: creo mine set --cpu 1'})
  }
  const before = await loadSettings(directory)
  if (before === undefined) throw neverStarted(directory)
  const settings = mergeSettings(before, given, before)
  await saveSettings(directory, settings)
  return {terms: termsOf(settings), running: (await lockHolder(directory)) !== undefined}
}

/** The process that mines with a folder, or undefined when none does. @throws {CreoError} `not_found` for a folder without a node. */
export async function runningMiner(directory: string): Promise<ProcessIdentity | undefined> {
  await assertStarted(directory)
  return await lockHolder(directory)
}

/** @throws {CreoError} `not_found` when no node was ever started with this folder. */
export async function assertStarted(directory: string): Promise<void> {
  if ((await loadSettings(directory)) === undefined) throw neverStarted(directory)
}

/**
 * Asks a running node to finish what is under way and to end, and waits until it has.
 * @throws {CreoError} `still_running` when it takes longer.
 */
export async function drainMiner(directory: string, holder: ProcessIdentity, signal: AbortSignal): Promise<void> {
  process.kill(holder.pid, 'SIGTERM')
  const endMs = performance.now() + DRAIN_MAX_MS
  while (performance.now() < endMs) {
    const now = await lockHolder(directory)
    if (now?.pid !== holder.pid || now.startTicks !== holder.startTicks) return
    await wait(LOOK_EVERY_MS, undefined, {signal})
  }
  throw new CreoError('still_running', `Process ${holder.pid} has not ended yet.`, {hint: 'See what it does: creo mine logs'})
}

function neverStarted(directory: string): CreoError {
  return new CreoError('not_found', `No miner was started with the folder ${directory}.`, {hint: 'creo mine start'})
}
