import {readdir, readFile} from 'node:fs/promises'
import {homedir, hostname} from 'node:os'
import {join} from 'node:path'
import {z} from 'zod'
import {decodeBody} from '../../src/ledger/group.ts'
import {machineOf, replayGroup} from '../../src/ledger/replay.ts'
import {toldGroupSchema} from '../ledger/told-groups.ts'
import type {LoopWorld} from './loop-world.ts'

/** Few, so that a reader has to go on where it was. */
const PAGE = 7
const KEY_FILE_BYTES_MAX = 4096
const keyFileSchema = z.object({privateKey: z.string().min(20)})

export interface PublicJournal {
  /** Bodies of all groups, as anybody gets them. */
  readonly text: string
  /** What a stranger's replay of them came to. */
  readonly head: {readonly number: number; readonly lastSeq: number; readonly hash: string}
  /** Bodies of commands by their type. */
  readonly commands: ReadonlyMap<string, readonly string[]>
}

/** Reads the journal from the network as a stranger does, page by page, and replays it with every signature. */
export async function readPublicJournal(world: LoopWorld): Promise<PublicJournal> {
  const {genesis} = await world.read('/v1/network', z.looseObject({genesis: z.string()}))
  const machine = machineOf(genesis)
  const commands = new Map<string, string[]>()
  let head = {number: 0, lastSeq: 0, hash: machine.state.networkId}
  let text = ''
  for (;;) {
    const {groups} = await world.read(`/v1/journal?from=${head.number + 1}&limit=${PAGE}`, z.object({groups: z.array(toldGroupSchema)}))
    if (groups.length === 0) return {text, head, commands}
    for (const group of groups) {
      head = replayGroup(machine, head, group, {signatures: true})
      const body = decodeBody(group)
      text += `${group.body.toString()}${JSON.stringify(body)}`
      for (const {command} of body.commands) {
        const {type} = JSON.parse(command.body) as {type: string}
        commands.set(type, [...(commands.get(type) ?? []), command.body])
      }
    }
  }
}

/** Private halves of all keys that lie in a network's folder, by the files that hold them. */
export async function privateKeysIn(folder: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const entry of await readdir(folder, {recursive: true, withFileTypes: true})) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !/\.(key|json)$/.test(entry.name)) continue
    const bytes = await readFile(path)
    const key = bytes.length <= KEY_FILE_BYTES_MAX ? keyFileSchema.safeParse(jsonOf(bytes.toString())) : undefined
    if (key?.success) found.set(path, key.data.privateKey)
  }
  return found
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Addresses of machines that a text names, but for those of gateways, which are public by what they are for. */
export function addressesIn({text, commands}: PublicJournal): string[] {
  const ofGateways = (commands.get('gateway.admit') ?? []).join()
  const found = text.match(/\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9a-f]{0,4}(?::[0-9a-f]{1,4}){3,}\b|\bfe80::\S+/gi) ?? []
  const names = [hostname(), homedir(), process.cwd()].filter((name) => name.length > 3 && text.includes(name))
  return [...new Set([...found.filter((address) => !ofGateways.includes(address)), ...names])]
}
