import {type FileHandle, open, stat} from 'node:fs/promises'
import {dirname} from 'node:path'
import type {RuntimeTools} from 'creo/runtime'

const CHUNK_BYTES = 65_536

/**
 * What a function wrote, from the files that its log program keeps: the older half, then the newer one. With `follow` it goes on
 * until `ended` resolves or the signal fires.
 */
export async function* readLog(options: {
  readonly path: string
  readonly follow: boolean
  readonly ended: Promise<unknown>
  readonly watch: RuntimeTools['sandbox']['watchDirectory']
  readonly signal: AbortSignal
}): AsyncGenerator<Buffer> {
  const {path, follow, signal} = options
  const changes = follow ? options.watch(dirname(path)) : undefined
  let over = !follow
  const finish = () => {
    over = true
    changes?.wake()
  }
  signal.addEventListener('abort', finish, {once: true})
  options.ended.then(finish, finish)
  let file = await open(`${path}.1`).catch(() => undefined)
  try {
    while (!signal.aborted) {
      // The end is looked at before the file, so that what was written last is still read.
      const last = over
      if (file) yield* drain(file)
      const next = await openReplacement(path, file)
      if (next) {
        if (file) yield* drain(file)
        await file?.close()
        file = next
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

async function* drain(file: FileHandle): AsyncGenerator<Buffer> {
  for (;;) {
    const {bytesRead, buffer} = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, null)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}
