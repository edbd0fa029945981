import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {setTimeout as delay} from 'node:timers/promises'
import type {RootImage} from './root-image.ts'

export interface MachineOptions {
  readonly image: RootImage
  /** The second disk, `/dev/vdb`; written to. */
  readonly disk: string
  /** Where the serial console goes. */
  readonly consolePath: string
  readonly timeoutMs: number
  /** Names of steps of guest.sh; all when empty. */
  readonly steps: readonly string[]
}

type Accelerator = 'kvm' | 'tcg'

const MEMORY_MIB = 3072
const PROCESSORS = 2
/** A kernel under KVM says its first word at once. Where /dev/kvm runs only kernels made for it, it never does. */
const FIRST_WORD_TIMEOUT_MS = 10_000
const LOOK_MS = 500
/** An emulated machine is about this much slower. */
export const SLOWNESS: Readonly<Record<Accelerator, number>> = {kvm: 1, tcg: 12}

/**
 * Boots a machine and resolves once it has switched itself off: under KVM where the kernel starts under it, emulated otherwise. It has two disks, a serial
 * console and no network; of the first disk nothing is kept.
 * @throws when it is not off after `timeoutMs`; it is ended then.
 */
export async function runMachine(options: MachineOptions): Promise<Accelerator> {
  const deadline = AbortSignal.timeout(options.timeoutMs)
  if (existsSync('/dev/kvm') && (await boot('kvm', options, deadline))) return 'kvm'
  await boot('tcg', options, deadline)
  return 'tcg'
}

/** False when the kernel said nothing under this accelerator. */
async function boot(accelerator: Accelerator, options: MachineOptions, deadline: AbortSignal): Promise<boolean> {
  const machine = spawn('qemu-system-x86_64', qemuArguments(accelerator, options), {stdio: ['ignore', 'ignore', 'pipe']})
  let words = ''
  machine.stderr.on('data', (chunk: Buffer) => {
    words += chunk.toString()
  })
  try {
    const ended = once(machine, 'exit')
    if (accelerator === 'kvm' && !(await speaks(machine, options.consolePath))) return false
    await Promise.race([ended, aborted(deadline)])
    if (deadline.aborted) throw new Error(`The machine was not done after ${options.timeoutMs / 60_000} minutes.`)
    if (machine.exitCode !== 0) throw new Error(`qemu ended with ${machine.exitCode}: ${words}`)
    return true
  } finally {
    if (machine.exitCode === null && machine.kill('SIGKILL')) await once(machine, 'exit')
  }
}

async function speaks(machine: ChildProcess, consolePath: string): Promise<boolean> {
  const giveUpAtMs = performance.now() + FIRST_WORD_TIMEOUT_MS
  while (performance.now() < giveUpAtMs && machine.exitCode === null && machine.signalCode === null) {
    if ((await readFile(consolePath, 'utf8').catch(() => '')).includes('Linux version')) return true
    await delay(LOOK_MS)
  }
  return false
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

function qemuArguments(accelerator: Accelerator, {image, disk, consolePath, steps}: MachineOptions): string[] {
  const kernel = [
    'root=/dev/vda',
    'rw',
    'console=ttyS0',
    'mitigations=off',
    `creo.slowness=${SLOWNESS[accelerator]}`,
    `creo.steps=${steps.join(',')}`
  ]
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-machine', 'q35'],
    ...(accelerator === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'max']),
    ...['-smp', String(PROCESSORS), '-m', String(MEMORY_MIB)],
    ...['-kernel', image.kernel, '-initrd', image.initialRamDisk, '-append', kernel.join(' ')],
    ...['-drive', `file=${image.disk},format=raw,if=virtio,snapshot=on`, '-drive', `file=${disk},format=raw,if=virtio,cache=unsafe`],
    ...['-chardev', `file,id=console,path=${consolePath}`, '-serial', 'chardev:console', '-device', 'virtio-rng-pci']
  ]
}
