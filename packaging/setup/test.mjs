import {formatMs, say} from './say.mjs'
import {setUp} from './set-up.mjs'
import {stages} from './stages.mjs'

/** How long a tier may take before what still runs is ended and counted as failed. */
const TIER_TIMEOUT_MS = {check: 15 * 60_000, short: 30 * 60_000, long: 90 * 60_000, soak: 12 * 3_600_000}

/** What boots a virtual machine; on x86-64 alone. */
const MACHINE_PROGRAMS = ['qemu-system-x86_64', 'mmdebstrap', 'mke2fs', 'debugfs']

const wanted = process.argv[2] ?? 'short'
if (!(wanted in TIER_TIMEOUT_MS)) {
  say(`There is no test tier "${wanted}". Use check, long or soak, or nothing.`)
  process.exit(2)
}

const node = await setUp({
  build: false,
  containers: 'wanted',
  testTools: {long: wanted === 'long'},
  programs: wanted === 'soak' ? MACHINE_PROGRAMS : []
})
const endAtMs = performance.now() + TIER_TIMEOUT_MS[wanted]
let passed = 0
let failed = 0
for (const stage of stages(wanted === 'check' ? 'short' : wanted)) {
  say(`\n── ${stage.name} ──`)
  const startedAtMs = performance.now()
  const counts = await stage.run(node, Math.max(1, endAtMs - performance.now()))
  say(`── ${stage.name}: ${counts.failed === 0 ? 'ok' : `${counts.failed} failed`}, ${formatMs(performance.now() - startedAtMs)} ──`)
  passed += counts.passed
  failed += counts.failed
}
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
