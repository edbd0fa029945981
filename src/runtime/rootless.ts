import {hasSubordinateIds} from './id-range.ts'
import {findProgram, readText} from './machine-files.ts'

const MEND = 'creo doctor --fix offers the mend.'

/** What a user's containers lack on this machine: ids that are nobody's, the program that hands them out, namespaces. */
export async function inspectRootless({username, uid}: {readonly username: string; readonly uid: number}): Promise<readonly string[]> {
  const user = {name: username, uid}
  const files = ['/etc/subuid', '/etc/subgid']
  const texts = await Promise.all(files.map(readText))
  const lacking = files.filter((_file, index) => !hasSubordinateIds(texts[index] ?? '', user))
  const switches = await Promise.all(['/proc/sys/kernel/unprivileged_userns_clone', '/proc/sys/user/max_user_namespaces'].map(readText))
  return [
    ...(lacking.length === 0 ? [] : [`${username} has no 65,536 ids for containers in ${lacking.join(' and ')}: ${MEND}`]),
    ...((await findProgram('newuidmap', process.env.PATH)) ? [] : [`newuidmap is not installed: ${MEND}`]),
    ...((await findProgram('nsenter', process.env.PATH)) ? [] : ['nsenter is not installed: install util-linux.']),
    ...(switches.some((text) => text.trim() === '0') ? [`User namespaces are switched off: ${MEND}`] : [])
  ]
}
