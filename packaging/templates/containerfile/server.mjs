import {createServer} from 'node:http'

const server = createServer((request, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({hello: 'world', path: request.url}))
})

server.listen(Number(process.env.PORT))
process.on('SIGTERM', () => server.close())
