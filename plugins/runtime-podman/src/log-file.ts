import {type FileHandle, open, stat} from 'node:fs/promises'
import {dirname} from 'node:path'
import type {RuntimeTools} from 'creo/runtime'

const CHUNK_BYTES = 65_536
/** A line as the container's monitor writes it: time, stream, F for a whole line or P for a part, and what the function wrote. */
const FIELDS_BEFORE_TEXT = 3
const NEWLINE = 10
const SPACE = 32

/**
 * What a function wrote, from the file that its monitor keeps; that needs no service and misses nothing when one dies.
 * With `follow` it goes on until `ended` resolves or the signal fires. The monitor replaces the file when it is full.
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
  let file: FileHandle | undefined
  let lines = new Lines()
  try {
    while (!signal.aborted) {
      // The end is looked at before the file, so that what was written last is still read.
      const last = over
      if (file) yield* drain(file, lines)
      const next = await openReplacement(path, file)
      if (next) {
        if (file) yield* drain(file, lines)
        await file?.close()
        file = next
        lines = new Lines()
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

async function* drain(file: FileHandle, lines: Lines): AsyncGenerator<Buffer> {
  for (;;) {
    const {bytesRead, buffer} = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, null)
    if (bytesRead === 0) return
    const text = lines.unwrap(buffer.subarray(0, bytesRead))
    if (text.length > 0) yield text
  }
}

/** Takes the monitor's own words off each line. */
class Lines {
  #rest: Buffer = Buffer.alloc(0)

  unwrap(chunk: Buffer): Buffer {
    const bytes = Buffer.concat([this.#rest, chunk])
    const texts: Buffer[] = []
    let from = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      texts.push(textOf(bytes.subarray(from, end + 1)))
      from = end + 1
    }
    this.#rest = Buffer.from(bytes.subarray(from))
    return Buffer.concat(texts)
  }
}

function textOf(line: Buffer): Buffer {
  let at = 0
  for (let field = 0; field < FIELDS_BEFORE_TEXT; field++) {
    const space = line.indexOf(SPACE, at)
    if (space === -1) return Buffer.alloc(0)
    at = space + 1
  }
  const isPart = line[at - 2] === 'P'.charCodeAt(0)
  return isPart ? line.subarray(at, -1) : line.subarray(at)
}
