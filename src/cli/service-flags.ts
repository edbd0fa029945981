import {Flags} from '@oclif/core'
import type {ServiceScope} from '../miner/service-unit.ts'

export const serviceFlags = {
  user: Flags.boolean({exclusive: ['system'], description: "In this user's service manager. Default, but for root."}),
  system: Flags.boolean({exclusive: ['user'], description: "In the machine's service manager. Default for root."})
}

export function serviceScope(flags: {readonly user: boolean; readonly system: boolean}): ServiceScope {
  if (flags.user) return 'user'
  return flags.system || process.getuid?.() === 0 ? 'system' : 'user'
}
