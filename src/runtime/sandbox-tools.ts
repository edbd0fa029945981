import {userInfo} from 'node:os'
import {fileURLToPath} from 'node:url'
import {checkSpec} from './check-spec.ts'
import {DrivenInstance} from './container-instance.ts'
import {inspectControlGroups} from './control-groups.ts'
import {findControlGroup, isFrozen} from './freezer.ts'
import {pickIdRange} from './id-range.ts'
import {mountIngress, unmountIngress} from './ingress-directory.ts'
import {removeLater} from './later-removal.ts'
import {killProcesses} from './left-processes.ts'
import {findProgram, readText} from './machine-files.ts'
import type {RuntimeTools} from './port.ts'
import {limitsBelow} from './process-limits.ts'
import {inspectRootless} from './rootless.ts'
import {copyProgram, makeRunDirectory, removeRunDirectory} from './run-directory.ts'
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
    checkSpec,
    plan: planSandbox,
    instance: (driver, found) => new DrivenInstance(driver, found),
    removeLater,
    makeRunDirectory: (directory) => makeRunDirectory(options.execa, directory),
    removeRunDirectory: (directory) => removeRunDirectory(options.execa, directory),
    copyProgram,
    mountIngress: (ingress) => mountIngress(options.execa, ingress),
    unmountIngress: (ingress) => unmountIngress(options.execa, ingress),
    inspectControlGroups,
    findControlGroup,
    isFrozen,
    pickIdRange: async () =>
      pickIdRange(await readText('/proc/self/uid_map'), `${await readText('/etc/subuid')}\n${await readText('/etc/subgid')}`),
    inspectRootless: () => inspectRootless(userInfo()),
    limitsBelow,
    findProgram,
    killProcesses,
    startService: (service) => startService(options.execa, service)
  }
}
