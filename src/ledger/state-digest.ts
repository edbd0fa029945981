import {createHash} from 'node:crypto'
import type {LedgerMachine} from '../core/exchange/ledger-machine.ts'

/** Characters of lines that are hashed, and written, at a time. */
const CHUNK_CHARS = 2 ** 18

/** SHA-256 of all that a machine remembers, as the lines of its form, and how many bytes these have. Each piece is handed to `write` as well. */
export function digestOf(machine: LedgerMachine, write: (chunk: Uint8Array) => void = () => undefined): {sha256: string; bytes: number} {
  const digest = createHash('sha256')
  let [lines, bytes] = ['', 0]
  const flush = (): void => {
    const chunk = Buffer.from(lines)
    digest.update(chunk)
    write(chunk)
    bytes += chunk.length
    lines = ''
  }
  for (const line of machine.lines()) {
    lines += line
    if (lines.length >= CHUNK_CHARS) flush()
  }
  flush()
  return {sha256: digest.digest('hex'), bytes}
}
