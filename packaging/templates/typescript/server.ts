import {createServer} from 'node:http'

/** Node takes the types away by itself: there is nothing to compile. */
interface Greeting {
  readonly hello: string
  readonly path: string
}

const server = createServer((request, response) => {
  const greeting: Greeting = {hello: 'world', path: request.url ?? '/'}
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(greeting))
})

server.listen(Number(process.env.PORT))
process.on('SIGTERM', () => server.close())
