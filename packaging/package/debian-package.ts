import {execFile} from 'node:child_process'
import {createHash} from 'node:crypto'
import {createWriteStream, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {promisify} from 'node:util'
import {gzipSync} from 'node:zlib'
import {fileEntry, textEntry} from '../../src/images/layer-entries.ts'
import {type TarEntry, tarStream} from '../../src/images/tar-writer.ts'
import {serviceUnit, UNIT_NAME} from '../../src/miner/service-unit.ts'
import type {Architecture} from './app-files.ts'
import {manualPage} from './manual-page.ts'

const DEBIAN_ARCHITECTURE: Readonly<Record<Architecture, string>> = {x64: 'amd64', arm64: 'arm64'}
const UNITS = 'usr/lib/systemd/system'
const ROLES = ['coordinator', 'gateway']
const SCRIPTS = ['postinst', 'prerm', 'postrm']
const KIB = 1024
/** Of all files, whenever they are packed. Debian takes those of the epoch for broken. */
const PACKED_AT = new Date(Date.UTC(2026, 0, 1))
const MAINTAINER = 'creometry <creo@creometry.invalid>'
/** What Node is linked to, the program that makes a user, and what a node needs to run functions. */
const RELATIONS = `Depends: libc6 (>= 2.28), libgcc-s1 | libgcc1, libstdc++6, passwd
Recommends: conmon, crun | runc, mount, netavark, podman (>= 4), uidmap`

const run = promisify(execFile)

/**
 * Makes `<output>/creo_<version>_<architecture>.deb` of a packaged program: the program, units for all three roles, their settings and a user. An archive of three members, as dpkg reads it;
 * the same program gives the same bytes.
 */
export async function makeDebianPackage(options: {
  readonly root: string
  readonly output: string
  readonly architecture: Architecture
  readonly executable: string
  readonly signal: AbortSignal
}): Promise<string> {
  const {root, output, architecture, executable, signal} = options
  const recipe = join(root, 'packaging', 'debian')
  const own = ownManifest(root)
  // One that is none yet comes before the one that it becomes.
  const version = own.version.replace('-', '~')
  const files = contents(root, executable, {...own, version})
  const name = join(output, `creo_${version}_${DEBIAN_ARCHITECTURE[architecture]}.deb`)
  const sums: string[] = []
  let bytes = 0
  for (const file of files) {
    sums.push(`${await md5(file)}  ${file.path}\n`)
    bytes += file.size
  }
  const control = [
    textEntry('control', fields({version, architecture, kib: Math.ceil(bytes / KIB)})),
    textEntry('conffiles', ROLES.map((role) => `/etc/default/creo-${role}\n`).join('')),
    textEntry('md5sums', sums.join('')),
    ...SCRIPTS.map((script) => hostFile(script, join(recipe, script), 0o755))
  ]
  const scratch = mkdtempSync(join(tmpdir(), 'creo-debian-'))
  try {
    const [controls, data] = await Promise.all(
      [control, files].map((entries, index) => packed(join(scratch, String(index)), withFolders(entries), signal))
    )
    const members: [string, Buffer | undefined][] = [
      ['debian-binary', Buffer.from('2.0\n')],
      ['control.tar.xz', controls],
      ['data.tar.xz', data]
    ]
    writeFileSync(
      name,
      Buffer.concat([Buffer.from('!<arch>\n'), ...members.flatMap(([member, content = Buffer.alloc(0)]) => archived(member, content))])
    )
  } finally {
    rmSync(scratch, {recursive: true, force: true})
  }
  return name
}

type FileEntry = Extract<TarEntry, {readonly type: 'file'}>

function contents(root: string, executable: string, own: OwnManifest): readonly FileEntry[] {
  const recipe = join(root, 'packaging', 'debian')
  const miner = serviceUnit('system', {program: ['/usr/bin/creo'], dataDirectory: '/var/lib/creo/miner'})
  return [
    hostFile('usr/bin/creo', executable, 0o755),
    ...ROLES.flatMap((role) => [
      hostFile(`${UNITS}/creo-${role}.service`, join(recipe, `creo-${role}.service`), 0o644),
      hostFile(`etc/default/creo-${role}`, join(recipe, `creo-${role}.default`), 0o644)
    ]),
    textEntry(`${UNITS}/${UNIT_NAME}`, miner) as FileEntry,
    zipped('usr/share/man/man1/creo.1.gz', manualPage(own, own.version)),
    zipped('usr/share/doc/creo/changelog.gz', changelog(own.version)),
    zipped('usr/share/doc/creo/PLUGINS.md.gz', readFileSync(join(root, 'docs', 'PLUGINS.md'), 'utf8')),
    hostFile('usr/share/doc/creo/copyright', join(recipe, 'copyright'), 0o644),
    hostFile('usr/share/lintian/overrides/creo', join(recipe, 'lintian-overrides'), 0o644)
  ]
}

/** In Debian's form; what changed is told by CHANGELOG.md of the release. */
function changelog(version: string): string {
  const date = PACKED_AT.toUTCString().replace('GMT', '+0000')
  return `creo (${version}) stable; urgency=medium\n\n  * Release ${version}.\n\n -- ${MAINTAINER}  ${date}\n`
}

function zipped(path: string, text: string): FileEntry {
  const bytes = gzipSync(text, {level: 9})
  return {type: 'file', path, mode: 0o644, size: bytes.length, content: () => [bytes]}
}

function hostFile(path: string, from: string, mode: number): FileEntry {
  return fileEntry(path, from, mode, statSync(from).size) as FileEntry
}

function fields({
  version,
  architecture,
  kib
}: {
  readonly version: string
  readonly architecture: Architecture
  readonly kib: number
}): string {
  return `Package: creo
Version: ${version}
Architecture: ${DEBIAN_ARCHITECTURE[architecture]}
Maintainer: ${MAINTAINER}
Installed-Size: ${kib}
${RELATIONS}
Section: net
Priority: optional
Description: run a web business on volunteers' machines
 Deploys functions to a network of volunteers' machines, runs such a machine, or
 a network's coordinator and gateways. Needs neither Node nor npm.
`
}

type OwnManifest = Parameters<typeof manualPage>[0] & {readonly version: string}

function ownManifest(root: string): OwnManifest {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as OwnManifest
}

async function md5({content}: FileEntry): Promise<string> {
  const hash = createHash('md5')
  for await (const chunk of content()) hash.update(chunk)
  return hash.digest('hex')
}

/** As dpkg's own tools write them: from `./` on, each folder before what is in it. */
function withFolders(entries: readonly TarEntry[]): readonly TarEntry[] {
  const parts = (path: string): readonly string[] => ['.', ...path.split('/')]
  const above = entries.flatMap(({path}) =>
    parts(path)
      .slice(0, -1)
      .map((_part, depth) =>
        parts(path)
          .slice(0, depth + 1)
          .join('/')
      )
  )
  const folders = [...new Set(above)].map((path): TarEntry => ({type: 'directory', path, mode: 0o755}))
  return [...folders, ...entries.map((entry) => ({...entry, path: `./${entry.path}`}))].sort((a, b) => (a.path < b.path ? -1 : 1))
}

async function packed(file: string, entries: readonly TarEntry[], signal: AbortSignal): Promise<Buffer> {
  await pipeline(Readable.from(tarStream(entries, PACKED_AT)), createWriteStream(file), {signal})
  await run('xz', ['-6', '--threads=1', file], {signal})
  return readFileSync(`${file}.xz`)
}

/** One member of an archive of `ar`: its head in columns, of nobody and no time, and its content, to an even length. */
function archived(name: string, content: Buffer): readonly Buffer[] {
  const columns = [name.padEnd(16), '0'.padEnd(12), '0'.padEnd(6), '0'.padEnd(6), '100644'.padEnd(8), String(content.length).padEnd(10)]
  return [Buffer.from(`${columns.join('')}\`\n`), content, Buffer.alloc(content.length % 2, '\n')]
}
