import {readdir, readFile} from 'node:fs/promises'

/**
 * Processes whose command line names a folder: a network's roles, their helpers, and each container's monitor carry their data
 * directory in it. Linux only (proc(5)).
 */
export async function processesNaming(directory: string): Promise<readonly {readonly pid: number; readonly command: string}[]> {
  const found = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    const command = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim()
    if (command.includes(`${directory}/`)) found.push({pid: Number(name), command: command.slice(0, 120)})
  }
  return found
}
