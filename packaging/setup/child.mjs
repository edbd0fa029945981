import {spawn} from 'node:child_process'
import {accessSync, constants} from 'node:fs'
import {delimiter, join} from 'node:path'

/** Output of one child kept for its error message; older bytes are dropped. */
const OUTPUT_BYTES_MAX = 64 * 1024

/**
 * Runs a program to its end. Its stdout goes to our stderr, or is kept with `quiet` and returned.
 * A program that can't be started counts as exit code 127; one over `timeoutMs` is killed and counts as 124.
 */
export function run(command, args, {cwd, env, quiet = false, timeoutMs} = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {cwd, env, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2]})
    let output = ''
    let timedOut = false
    const keep = (chunk) => {
      output = (output + chunk).slice(-OUTPUT_BYTES_MAX)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true
            child.kill('SIGTERM')
          }, timeoutMs)
    const finish = (exitCode) => {
      clearTimeout(timer)
      resolve({exitCode: timedOut ? 124 : exitCode, output})
    }
    child.once('error', (error) => {
      output += String(error.message)
      finish(127)
    })
    child.once('close', (code, signal) => finish(code ?? (signal === 'SIGINT' ? 130 : 1)))
  })
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
