import {spawn} from 'node:child_process'
import {constants} from 'node:os'
import {ROOT, toolEnvironment} from './places.mjs'
import {say} from './say.mjs'

/** A terminal's Ctrl-C reaches us directly and once more through npm: signals this close together are one. */
const SAME_SIGNAL_MS = 500

/**
 * Runs a program in our place: same terminal, its exit code ours. It gets a process group of its own, so that a Ctrl-C
 * reaches it exactly once, through us; a second Ctrl-C is passed on too.
 */
export async function handOver(node, args) {
  const child = spawn(node, args, {cwd: ROOT, env: toolEnvironment(), stdio: 'inherit', detached: true})
  const lastMs = new Map()
  const forward = (signal) => {
    const nowMs = performance.now()
    if (nowMs - (lastMs.get(signal) ?? -SAME_SIGNAL_MS) < SAME_SIGNAL_MS) return
    lastMs.set(signal, nowMs)
    child.kill(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGWINCH']) process.on(signal, forward)
  process.exitCode = await new Promise((resolve) => {
    child.once('error', (error) => {
      say(`${node} could not be started: ${error.message}`)
      resolve(1)
    })
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGWINCH']) process.off(signal, forward)
}
