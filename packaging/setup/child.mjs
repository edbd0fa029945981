import {spawn} from 'node:child_process'
import {accessSync, constants} from 'node:fs'
import {delimiter, join} from 'node:path'

/** Output of one child kept for its error message; older bytes are dropped. */
const OUTPUT_BYTES_MAX = 64 * 1024

/** A program that ignores SIGTERM gets SIGKILL after this. */
const KILL_GRACE_MS = 10_000
/** A service that the program left behind may hold its pipes open; its output is awaited no longer than this. */
const PIPES_GRACE_MS = 1000

/**
 * Runs a program to its end. Its stdout goes to our stderr, or is kept with `quiet` and returned.
 * A program that can't be started counts as exit code 127; one over `timeoutMs` is killed and counts as 124.
 */
export function run(command, args, {cwd, env, quiet = false, timeoutMs} = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {cwd, env, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2]})
    const deadline = endAfter(child, timeoutMs)
    let output = ''
    let pipesTimer
    const keep = (chunk) => {
      output = (output + chunk).slice(-OUTPUT_BYTES_MAX)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    const finish = (exitCode) => {
      deadline.cancel()
      clearTimeout(pipesTimer)
      child.stdout?.destroy()
      child.stderr?.destroy()
      resolve({exitCode: deadline.passed ? 124 : exitCode, output})
    }
    child.once('error', (error) => {
      output += error.message
      finish(127)
    })
    child.once('exit', (code, signal) => {
      const exitCode = code ?? (signal === 'SIGINT' ? 130 : 1)
      child.once('close', () => finish(exitCode))
      pipesTimer = setTimeout(finish, PIPES_GRACE_MS, exitCode)
    })
  })
}

function endAfter(child, timeoutMs) {
  const deadline = {passed: false, cancel: () => undefined}
  if (timeoutMs === undefined) return deadline
  let timer = setTimeout(() => {
    deadline.passed = true
    child.kill('SIGTERM')
    timer = setTimeout(() => child.kill('SIGKILL'), KILL_GRACE_MS)
  }, timeoutMs)
  deadline.cancel = () => clearTimeout(timer)
  return deadline
}

/** The absolute path of a program on PATH, folders that `skip` refuses left out; undefined when there is none. */
export function findProgram(name, {path = process.env.PATH ?? '', skip = () => false} = {}) {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '' && !skip(folder))
    .map((folder) => join(folder, name))
    .find((file) => isExecutable(file))
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
