import {createHash} from 'node:crypto'

/** Answers of the function that the network tests deploy; a process of its own in a container, or a body of the memory runtime. */
export function handle(request, response) {
  const url = new URL(request.url, 'http://function')
  const ms = Number(url.searchParams.get('ms') ?? 0)
  if (url.pathname === '/slow') setTimeout(() => response.end('slow'), ms)
  else if (url.pathname === '/events') stream(response, Number(url.searchParams.get('count')), ms)
  else if (url.pathname === '/bytes') response.end(Buffer.alloc(Number(url.searchParams.get('count')), 'x'))
  else if (request.method === 'POST') digest(request, response)
  else response.end('ok')
}

function stream(response, count, ms) {
  response.writeHead(200, {'content-type': 'text/event-stream'})
  let sent = 0
  const timer = setInterval(() => {
    sent += 1
    response.write(`data: ${sent}\n\n`)
    if (sent < count) return
    clearInterval(timer)
    response.end()
  }, ms)
  response.on('close', () => clearInterval(timer))
}

function digest(request, response) {
  const hash = createHash('sha256')
  request.on('data', (chunk) => hash.update(chunk)).on('end', () => response.end(hash.digest('hex')))
}
