import {fileURLToPath} from 'node:url'
import {inspectControlGroups} from './control-groups.ts'
import {DirectoryChanges} from './directory-changes.ts'
import {pickIdRange} from './id-range.ts'
import {findProgram, readText} from './machine-files.ts'
import type {RuntimeTools} from './port.ts'
import {limitsBelow} from './process-limits.ts'
import type {SandboxTools} from './sandbox.ts'
import {FUNCTION_USER, INGRESS, planSandbox} from './sandbox-plan.ts'
import {startService} from './service-process.ts'

/** What every runtime plugin is handed. `packaging` is the folder with the committed programs and the seccomp profile. */
export function sandboxTools(options: {readonly packaging: URL; readonly execa: RuntimeTools['execa']}): SandboxTools {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  return {
    seccompPath: fileURLToPath(new URL('sandbox/seccomp.json', options.packaging)),
    logWriterPath: fileURLToPath(new URL(`init/creo-log-${architecture}`, options.packaging)),
    user: FUNCTION_USER,
    ingress: INGRESS,
    plan: planSandbox,
    inspectControlGroups,
    pickIdRange: async () =>
      pickIdRange(await readText('/proc/self/uid_map'), `${await readText('/etc/subuid')}\n${await readText('/etc/subgid')}`),
    limitsBelow,
    findProgram,
    watchDirectory: (directory) => new DirectoryChanges(directory),
    startService: (service) => startService(options.execa, service)
  }
}
