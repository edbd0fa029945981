import {closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync} from 'node:fs'
import {dirname} from 'node:path'
import type {DestinationStream} from 'pino'

/** Name of the file before, beside the one that is written. */
export function olderLogFile(path: string): string {
  return `${path}.1`
}

/**
 * Appends to a file of the owner's alone; when it reaches `bytesMax` it becomes the older one and a new one begins. A line that the disk has no
 * room for is dropped: a role never ends because of its log.
 */
export function rotatingLogFile(path: string, bytesMax: number): DestinationStream {
  mkdirSync(dirname(path), {recursive: true})
  const open = (): number => openSync(path, 'a', 0o600)
  let file = open()
  let bytes = fstatSync(file).size
  const rotate = (): void => {
    closeSync(file)
    renameSync(path, olderLogFile(path))
    file = open()
    bytes = 0
  }
  return {
    write: (line) => {
      try {
        if (bytes >= bytesMax) rotate()
        bytes += writeSync(file, line)
      } catch (error) {
        if (!(error instanceof Error && 'code' in error)) throw error
      }
    }
  }
}
