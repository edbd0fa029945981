import {once} from 'node:events'
import {connect, type Socket} from 'node:net'

/**
 * Opens COUNT connections to PORT of 127.0.0.1 from as many loopback addresses as it takes for PER_ADDRESS each, says `ready` and keeps them until its
 * input ends. A process of its own, since whoever serves them here needs as many descriptors itself. `idle-clients.ts PORT COUNT PER_ADDRESS TEXT`
 */
const [port = 0, count = 0, perAddress = 1] = process.argv.slice(2, 5).map(Number)
const text = process.argv[5] ?? ''
const BATCH = 200

const sockets: Socket[] = []
for (let from = 0; from < count; from += BATCH) {
  const batch = Array.from({length: Math.min(BATCH, count - from)}, (_, at) => {
    const localAddress = `127.0.1.${1 + Math.floor((from + at) / perAddress)}`
    const socket = connect({host: '127.0.0.1', port, localAddress})
    socket.on('error', () => undefined).resume()
    if (text !== '') socket.write(text)
    return socket
  })
  await Promise.all(batch.map((socket) => once(socket, 'connect')))
  sockets.push(...batch)
}
process.stdout.write('ready\n')
process.stdin.resume().once('end', () => {
  for (const socket of sockets) socket.destroy()
})
