import {existsSync, readFileSync} from 'node:fs'
import {createServer, type Server} from 'node:http'
import {basename, join} from 'node:path'

/** Serves a folder, with ranges unless told otherwise; the program's first answer ends after `cutAfter` bytes, or falls silent there. */
export async function serveRelease(
  from: string,
  options: {
    readonly cutAfter: number
    readonly onRange: (range: string | undefined) => void
    readonly ranges?: boolean
    readonly isSilent?: boolean
  }
): Promise<Server> {
  let isCut = false
  const server = createServer((request, response) => {
    const file = join(from, basename(request.url ?? ''))
    if (!existsSync(file)) {
      response.writeHead(404).end()
      return
    }
    const content = readFileSync(file)
    const asked = options.ranges === false ? undefined : request.headers.range
    const start = Number(/^bytes=(\d+)-/.exec(asked ?? '')?.[1] ?? 0)
    if (start > content.length) {
      response.writeHead(416, {'content-range': `bytes */${content.length}`}).end()
      return
    }
    const rest = content.subarray(start)
    const headers = {
      'content-length': rest.length,
      ...(start > 0 && {'content-range': `bytes ${start}-${content.length - 1}/${content.length}`})
    }
    response.writeHead(start > 0 ? 206 : 200, headers)
    if (!request.url?.endsWith('.xz')) {
      response.end(rest)
      return
    }
    options.onRange(request.headers.range)
    if (isCut) response.end(rest)
    else response.write(rest.subarray(0, options.cutAfter), () => options.isSilent !== true && response.destroy())
    isCut = true
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
