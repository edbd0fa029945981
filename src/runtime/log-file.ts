import {type FileHandle, open, stat} from 'node:fs/promises'
import {dirname} from 'node:path'
import {DirectoryChanges} from './directory-changes.ts'
import type {LogFiles} from './sandbox.ts'

const CHUNK_BYTES = 65_536

interface LogReading extends LogFiles {
  readonly follow: boolean
  readonly ended: Promise<unknown>
  readonly signal: AbortSignal
}

/**
 * What a function wrote, from the file that its monitor keeps and replaces when it is full; that needs no service and misses nothing
 * when one dies. With `follow` it goes on until `ended` resolves or the signal fires.
 */
export async function* readLog({path, olderPath, unwrap, follow, ended, signal}: LogReading): AsyncGenerator<Buffer> {
  const changes = follow ? new DirectoryChanges(dirname(path)) : undefined
  let over = !follow
  const finish = () => {
    over = true
    changes?.wake()
  }
  signal.addEventListener('abort', finish, {once: true})
  ended.then(finish, finish)
  let file = olderPath === undefined ? undefined : await open(olderPath).catch(() => undefined)
  let textOf = unwrap?.()
  try {
    while (!signal.aborted) {
      // The end is looked at before the file, so that what was written last is still read.
      const last = over
      if (file) yield* drain(file, textOf)
      const next = await openReplacement(path, file)
      if (next) {
        if (file) yield* drain(file, textOf)
        await file?.close()
        file = next
        textOf = unwrap?.()
      } else if (last) return
      else await changes?.next()
    }
  } finally {
    signal.removeEventListener('abort', finish)
    changes?.close()
    await file?.close()
  }
}

/** The file of that name if it is another than `current`; undefined when nothing changed or none is there. */
async function openReplacement(path: string, current: FileHandle | undefined): Promise<FileHandle | undefined> {
  const there = await stat(path).catch(() => undefined)
  if (!there || (current && (await current.stat()).ino === there.ino)) return undefined
  return open(path).catch(() => undefined)
}

async function* drain(file: FileHandle, textOf: ((chunk: Buffer) => Buffer) | undefined): AsyncGenerator<Buffer> {
  for (;;) {
    const {bytesRead, buffer} = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, null)
    if (bytesRead === 0) return
    const bytes = buffer.subarray(0, bytesRead)
    const text = textOf === undefined ? bytes : textOf(bytes)
    if (text.length > 0) yield text
  }
}
