import {stat} from 'node:fs/promises'
import type {OwnerTerms} from '../core/availability.ts'
import type {Log} from '../telemetry/log.ts'
import {pause} from './backoff.ts'
import {loadSettings, settingsPath, termsOf} from './settings.ts'

const LOOK_EVERY_MS = 1000

/** Tells what the owner lends each time the settings on disk change, until the signal fires. */
export async function followSettings(
  options: {readonly dataDirectory: string; readonly log: Log; readonly onTerms: (terms: OwnerTerms) => Promise<void>},
  signal: AbortSignal
): Promise<void> {
  const {dataDirectory, log, onTerms} = options
  let seen = await markOf(dataDirectory)
  while (!signal.aborted) {
    await pause(LOOK_EVERY_MS, signal)
    const mark = await markOf(dataDirectory)
    if (signal.aborted || mark === seen) continue
    seen = mark
    try {
      const settings = await loadSettings(dataDirectory)
      if (settings !== undefined) await onTerms(termsOf(settings))
    } catch (error) {
      log.warn({error: String(error)}, 'the changed settings were not taken')
    }
  }
}

/** Files are replaced, never edited: a new one has another number. */
async function markOf(dataDirectory: string): Promise<string> {
  const facts = await stat(settingsPath(dataDirectory)).catch(() => undefined)
  return facts === undefined ? '' : `${facts.ino} ${facts.mtimeMs}`
}
