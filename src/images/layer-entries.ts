import {createReadStream} from 'node:fs'
import type {TarEntry} from './tar-writer.ts'

const READ_CHUNK_BYTES = 2 ** 18

/** What libraries read of a system: a user of its own for functions, and names from files before those from the network. */
export const SYSTEM_TEXTS: Readonly<Record<string, string>> = {
  'etc/group': 'root:x:0:\nfunction:x:65532:\nnobody:x:65534:\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  'etc/passwd': 'root:x:0:0:root:/:/nologin\nfunction:x:65532:65532:function:/tmp:/nologin\nnobody:x:65534:65534:nobody:/:/nologin\n'
}

/** A file of this machine as a layer's entry; links are followed. */
export function fileEntry(path: string, hostPath: string, mode: number, size: number): TarEntry {
  return {type: 'file', path, mode, size, content: () => createReadStream(hostPath, {highWaterMark: READ_CHUNK_BYTES})}
}

export function textEntry(path: string, text: string): Extract<TarEntry, {type: 'file'}> {
  const bytes = Buffer.from(text)
  return {type: 'file', path, mode: 0o644, size: bytes.length, content: () => [bytes]}
}

/** The entries with all folders above them and a `tmp` that anyone may write to, in the order of their paths. */
export function withFolders(contents: readonly TarEntry[]): readonly TarEntry[] {
  const folders = new Set(['tmp', ...contents.flatMap((entry) => ancestors(entry.path))])
  const directories = [...folders].map((path): TarEntry => ({type: 'directory', path, mode: path === 'tmp' ? 0o1777 : 0o755}))
  return [...directories, ...contents].sort((a, b) => (a.path < b.path ? -1 : 1))
}

function ancestors(path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, depth) => parts.slice(0, depth + 1).join('/'))
}
