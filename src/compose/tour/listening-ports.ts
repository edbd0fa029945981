import {readdir, readFile, readlink} from 'node:fs/promises'

const TCP_LISTEN = '0A'

/**
 * TCP ports that a process listens on, with all its descendants, as the kernel lists them (proc(5): /proc/net/tcp and the sockets
 * among /proc/PID/fd). Linux only.
 */
export async function listeningPorts(pid: number): Promise<readonly number[]> {
  const inodes = new Set<string>()
  for (const member of await withDescendants(pid)) for (const inode of await socketInodes(member)) inodes.add(inode)
  const lines = (await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')))).flatMap((text) =>
    text.split('\n').slice(1)
  )
  const ports = lines.flatMap((line) => {
    const fields = line.trim().split(/\s+/)
    const isOurs = fields[3] === TCP_LISTEN && inodes.has(fields[9] ?? '')
    return isOurs ? [Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)] : []
  })
  return ports
}

async function withDescendants(pid: number): Promise<readonly number[]> {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    parents.set(Number(name), parent)
  }
  const found = [pid]
  for (const member of found) for (const [child, parent] of parents) if (parent === member) found.push(child)
  return found
}

/** Empty when the process has just ended. */
async function socketInodes(pid: number): Promise<readonly string[]> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => [])
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')))
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? [])
}
