import {randomUUID} from 'node:crypto'
import {readFile, rm, stat} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {CreoError} from '../core/errors.ts'
import {hostArchitecture} from '../images/base-node.ts'
import {BASE_NAMES} from '../images/bases.ts'
import {importLayout} from '../images/import-layout.ts'
import {linkManifest, writeLayoutIndex} from '../images/layout.ts'
import type {ImportedImage} from '../images/normal-form.ts'
import {withPlatforms} from './find-base.ts'
import {inScratch} from './image-source.ts'

const BUILD_TIMEOUT_MS = 30 * 60_000
const TOOL_TIMEOUT_MS = 10 * 60_000
const ASK_TIMEOUT_MS = 30_000
const FILE_BYTES_MAX = 2 ** 20
const SAID_LINES = 3
const SAID_CHARS_MAX = 600
/** The tools that build a Containerfile without a daemon, the smaller one first. */
const TOOLS = ['buildah', 'podman'] as const
const OWN_BASE = new RegExp(`^\\s*FROM\\s+(?:--platform=\\S+\\s+)?localhost/creo/(${BASE_NAMES.join('|')})(?::latest)?(?:\\s|$)`, 'gim')

export interface ContainerfileBuild {
  readonly containerfile: string
  /** Folder that the Containerfile copies from. */
  readonly source: string
  readonly layoutDirectory: string
  readonly dataDirectory: string
  readonly signal: AbortSignal
}

/**
 * Has buildah or podman build an image for this machine's architecture, and takes it as any image that another tool wrote. What of creo's own bases
 * the Containerfile names is put into the tool's storage first.
 * @throws {CreoError} `build_failed` when neither tool is here, or with the last that it said.
 */
export async function buildContainerfile(build: ContainerfileBuild): Promise<ImportedImage> {
  const text = await readContainerfile(build.containerfile)
  const tool = await findTool(build.signal)
  const bases = new Set([...text.matchAll(OWN_BASE)].flatMap((match) => match[1]?.toLowerCase() ?? []))
  for (const base of bases) await offerBase(tool, base, build)
  return inScratch(build.dataDirectory, async (scratch) => {
    const idFile = join(scratch, 'id')
    // With layers of its own podman wants a history of each of the base's, which those of creo don't tell.
    const reproducibly = ['--format', 'oci', '--timestamp', '0', '--layers=false']
    const args = ['build', ...reproducibly, '--iidfile', idFile, '--file', build.containerfile, build.source]
    await runTool(tool, args, {what: 'build the image', timeoutMs: BUILD_TIMEOUT_MS, signal: build.signal})
    const id = (await readFile(idFile, 'utf8')).trim()
    const from = join(scratch, 'layout')
    await runTool(tool, ['push', '--quiet', '--format', 'oci', id, `oci:${from}`], {what: 'write the image', signal: build.signal})
    await forget(tool, id, build.signal)
    return await importLayout({from, layoutDirectory: build.layoutDirectory, signal: build.signal})
  })
}

async function readContainerfile(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (!found?.isFile() || found.size > FILE_BYTES_MAX)
    throw new CreoError('build_failed', `There is no Containerfile at ${path}.`, {hint: 'Mend containerfile: in creo.yaml.'})
  return readFile(path, 'utf8')
}

async function findTool(signal: AbortSignal): Promise<string> {
  for (const tool of TOOLS) {
    const asked = await execa(tool, ['--version'], {reject: false, stdin: 'ignore', timeout: ASK_TIMEOUT_MS, cancelSignal: signal})
    signal.throwIfAborted()
    if (!asked.failed) return tool
  }
  throw new CreoError('build_failed', 'A Containerfile is built by buildah or podman, and neither is on this machine.', {
    hint: 'Install one of them: apt-get install buildah'
  })
}

async function offerBase(tool: string, name: string, build: ContainerfileBuild): Promise<void> {
  const architecture = hostArchitecture()
  await withPlatforms({base: name, folder: build.source, dataDirectory: build.dataDirectory, signal: build.signal}, async (platforms) => {
    const image = platforms.find((platform) => platform.architecture === architecture)?.base
    if (image === undefined || image === 'scratch') throw new CreoError('build_failed', `creo/${name} is not here for ${architecture}.`)
    // The tool makes a name of the path, and names are in lower case.
    const view = join(tmpdir(), `creo-${randomUUID()}`)
    try {
      await writeLayoutIndex(view, await linkManifest(image.layoutDirectory, image.manifestDigest, view))
      const options = {what: `take creo/${name}`, signal: build.signal}
      const id = (await runTool(tool, ['pull', '--quiet', `oci:${view}`], options)).trim().split('\n').at(-1) ?? ''
      await runTool(tool, ['tag', id, `localhost/creo/${name}:latest`], options)
      await forget(tool, `localhost${view}`, build.signal)
    } finally {
      await rm(view, {recursive: true, force: true})
    }
  })
}

/** Takes a name or an image that nothing needs any more out of the tool's storage; it may have gone already. */
async function forget(tool: string, name: string, signal: AbortSignal): Promise<void> {
  await execa(tool, ['rmi', name], {reject: false, stdin: 'ignore', timeout: ASK_TIMEOUT_MS, cancelSignal: signal})
  signal.throwIfAborted()
}

async function runTool(
  tool: string,
  args: readonly string[],
  {what, timeoutMs = TOOL_TIMEOUT_MS, signal}: {readonly what: string; readonly timeoutMs?: number; readonly signal: AbortSignal}
): Promise<string> {
  const run = await execa(tool, args, {reject: false, stdin: 'ignore', timeout: timeoutMs, cancelSignal: signal, maxBuffer: 2 ** 20})
  signal.throwIfAborted()
  if (!run.failed) return run.stdout
  // Lines with a time are the tool's talk to itself; the last of the others say what went wrong.
  const lines = run.stderr.split(/\p{Cc}+/u).filter((line) => line !== '' && !line.startsWith('time="'))
  const said = lines.slice(-SAID_LINES).join(' ').slice(0, SAID_CHARS_MAX)
  throw new CreoError('build_failed', `${tool} could not ${what}: ${said || run.shortMessage}`, {
    hint: `Run it by hand to see all: ${tool} ${args[0]} …`
  })
}
