import {MinerStore} from '../../src/miner/miner-store.ts'
import {LEASE} from './lease.ts'

/** A process that signs window after window and says each one on stdout once the store has it, until it is killed. */
const store = MinerStore.open(process.argv[2] ?? '')
store.rememberLeases([{...LEASE, budgets: [{incentive: 'colibris/LEAF', amountMinor: 1_000_000_000}]}])
const receipt = {proposal: '{}', gatewaySignature: 'x'.repeat(86), attestation: '{}', nodeSignature: 'x'.repeat(86)}
const earned = [{incentive: 'colibris/LEAF', amountMinor: 7, carry: 0}]
const WINDOWS_MAX = 1_000_000
for (let window = Number(process.argv[3]); window < WINDOWS_MAX; window += 1) {
  store.add({id: `w${window}`, lease: LEASE, receipt, earned, atMs: window})
  await new Promise((resolve) => process.stdout.write(`w${window}\n`, resolve))
}
