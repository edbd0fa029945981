import {connect, createServer, type Socket} from 'node:net'

/** Joins each connection to the unix socket to the address that its first line names: a way into the network namespace this runs in. */
const [path] = process.argv.slice(2)

function join(near: Socket, first: Buffer): void {
  const end = first.indexOf('\n')
  const [host = '', port] = first.toString('latin1', 0, end).split(' ')
  const far = connect({host, port: Number(port), allowHalfOpen: true})
  far.write(first.subarray(end + 1))
  for (const [from, to] of [
    [near, far],
    [far, near]
  ] as const) {
    from.pipe(to)
    from.on('error', () => to.destroy()).on('close', () => to.destroy())
  }
}

createServer({allowHalfOpen: true}, (near) => {
  near.on('error', () => near.destroy())
  near.once('data', (first) => {
    near.pause()
    join(near, first)
  })
}).listen(path, () => process.stdout.write('open\n'))
process.stdin.on('end', () => process.exit(0)).resume()
