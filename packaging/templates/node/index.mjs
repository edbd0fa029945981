import {http} from '@google-cloud/functions-framework'

http('web', (request, response) => {
  response.json({hello: 'world', path: request.path})
})
