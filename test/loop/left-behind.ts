import {readdir, readFile, readlink} from 'node:fs/promises'

/**
 * What is still there of everything that was started in a folder: processes that name it on their command line, containers (whose
 * processes don't, but whose root lies in it: proc(5), mountinfo), and mounts below it.
 */
export async function leftBehind(folder: string): Promise<readonly string[]> {
  return [...(await processesOf(folder)), ...(await mountsBelow(folder)).map((path) => `mount ${path}`)]
}

/** Process ids of the containers whose root lies in the folder, with what each runs. */
export async function containersOf(folder: string): Promise<readonly {readonly pid: number; readonly command: string}[]> {
  const own = await readlink('/proc/self/ns/mnt')
  const found = await Promise.all(
    (await processIds()).map(async (pid) => {
      const namespace = await readlink(`/proc/${pid}/ns/mnt`).catch(() => own)
      const root =
        namespace === own ? undefined : (await text(`/proc/${pid}/mountinfo`)).split('\n').find((line) => line.split(' ')[4] === '/')
      const command = await commandOf(pid)
      return root?.includes(`${folder}/`) && command !== '' ? [{pid, command}] : []
    })
  )
  return found.flat()
}

/** Where something is mounted below a folder. */
async function mountsBelow(folder: string): Promise<readonly string[]> {
  const lines = (await text('/proc/self/mounts')).split('\n')
  return lines.map((line) => line.split(' ')[1] ?? '').filter((path) => path.startsWith(`${folder}/`))
}

async function processesOf(folder: string): Promise<readonly string[]> {
  const named: string[] = []
  for (const pid of await processIds()) {
    const command = await commandOf(pid)
    if (command.includes(`${folder}/`)) named.push(`process ${pid} ${command}`)
  }
  const contained = (await containersOf(folder)).map(({pid, command}) => `container process ${pid} ${command}`)
  return [...named, ...contained]
}

async function processIds(): Promise<readonly number[]> {
  const names = await readdir('/proc')
  return names.filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid).map(Number)
}

async function commandOf(pid: number): Promise<string> {
  return (await text(`/proc/${pid}/cmdline`)).replaceAll('\0', ' ').trim()
}

/** Empty for a process that has just ended. */
function text(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
