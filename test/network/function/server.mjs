import {createServer} from 'node:http'
import {handle} from './handle.mjs'

createServer(handle).listen(Number(process.env.PORT))
process.on('SIGTERM', () => process.exit(0))
