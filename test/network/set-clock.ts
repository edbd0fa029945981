import {readFileSync} from 'node:fs'

/**
 * Loaded before a role: the wall's clock of its process is so many ms ahead as the file of `CREO_TEST_CLOCK` says, a moment after that is written.
 * The monotonic clock goes on as it does when somebody sets the clock, or the machine has slept.
 */
const LOOK_MS = 10
const wallMs = Date.now
const read = (): number => Number(readFileSync(process.env.CREO_TEST_CLOCK ?? '', 'utf8'))
let aheadMs = read()
Date.now = () => wallMs() + aheadMs
setInterval(() => {
  aheadMs = read()
}, LOOK_MS).unref()
