import {Flags} from '@oclif/core'
import {LEASES_PER_NODE_DEFAULT, LEASES_PER_NODE_MOST} from '../core/lease-count.ts'

/** What the owner of a machine lends of it; the same words for starting and for changing. */
export const lendingFlags = {
  data: Flags.string({
    multiple: true,
    helpValue: 'DIR|SIZE/month',
    description:
      'Most data to move a month, such as 20GB/month; none, the default, is no limit. Or the folder of this node (default: miner in the data folder of creo); may be given twice.'
  }),
  earn: Flags.string({multiple: true, helpValue: 'INCENTIVE', description: 'What to work for, best first: org/CODE, org:NAME or gutta.'}),
  cpu: Flags.string({helpValue: 'CPUS', description: 'Most CPUs to lend to all functions together, such as 1.5. Default: all.'}),
  memory: Flags.string({helpValue: 'SIZE', description: 'Most memory to lend to all functions together, such as 2GiB. Default: half.'}),
  disk: Flags.string({helpValue: 'SIZE', description: 'Most disk to lend for images, such as 20GiB. Default: 20GiB.'}),
  functions: Flags.integer({
    min: 1,
    max: LEASES_PER_NODE_MOST,
    helpValue: 'N',
    description: `Most functions to stand ready for. Default: ${LEASES_PER_NODE_DEFAULT}.`
  }),
  hours: Flags.string({helpValue: 'FROM-TO', description: "When to work, by this machine's clock, such as 22:00-06:00. Default: always."}),
  'only-idle': Flags.boolean({allowNo: true, description: 'Work only while nobody else needs the machine.'}),
  'on-battery': Flags.string({options: ['yes', 'no'], description: 'Whether to work on battery. Default: no.'})
}
