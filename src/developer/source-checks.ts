import {readFile, stat} from 'node:fs/promises'
import {join, posix} from 'node:path'
import {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {BASE_NAMES} from '../images/bases.ts'
import {WORKDIR} from '../images/build-image.ts'
import {readIgnore} from '../images/folder-entries.ts'
import {ARCHITECTURE_FOLDERS} from '../images/folder-layers.ts'

const NAMED_MAX = 3
const OWN_BASES: readonly string[] = [...BASE_NAMES, 'scratch']

/** How a language says what a function needs beside its own files, and the folder in which that is put into the image. */
const LANGUAGES = {
  node: {
    list: 'package.json',
    folder: 'node_modules',
    names: namesOfPackageJson,
    install: (source: string) => `npm install --omit=dev --prefix ${source}`
  },
  python: {
    list: 'requirements.txt',
    folder: 'site-packages',
    names: namesOfRequirements,
    install: (source: string) => `pip install --target ${join(source, 'site-packages')} --requirement ${join(source, 'requirements.txt')}`
  }
} as const

const packageSchema = z.object({dependencies: z.record(z.string(), z.unknown()).optional()})

/**
 * Dependencies are packed as they lie in the folder: nothing is installed by a build. What bundles them says so by naming their folder in
 * `.creoignore`.
 * @throws {CreoError} `build_failed` when a function asks for packages and their folder is not there.
 */
export async function assertDependencies(source: string, base: string): Promise<void> {
  const language = base === 'node' || base === 'python' ? LANGUAGES[base] : undefined
  if (language === undefined) return
  const text = await readFile(join(source, language.list), 'utf8').catch(() => '')
  const [first, ...more] = language.names(text)
  if (first === undefined) return
  if (await stat(join(source, language.folder)).catch(() => undefined)) return
  const ignores = await readIgnore(source)
  if (ignores(language.folder, true)) return
  const shown = [first, ...more].slice(0, NAMED_MAX).join(', ')
  const rest = more.length >= NAMED_MAX ? ` and ${more.length + 1 - NAMED_MAX} more` : ''
  throw new CreoError(
    'build_failed',
    `${join(source, language.list)} asks for ${shown}${rest}, and there is no ${join(source, language.folder)} to take into the image.`,
    {hint: `${language.install(source)} (what bundles them names ${language.folder} in .creoignore)`}
  )
}

/**
 * What a command names by its path in `/app` is in the folder: no base of creo's has anything there.
 * @throws {CreoError} `build_failed` when it is not, for instance because it was never compiled.
 */
export async function assertProgram(source: string, base: string, [program = '']: readonly string[]): Promise<void> {
  if (!OWN_BASES.includes(base) || !program.includes('/')) return
  const path = posix.relative(WORKDIR, posix.resolve(WORKDIR, program))
  if (path.startsWith('../')) return
  for (const place of ['.', ...ARCHITECTURE_FOLDERS]) if (await stat(join(source, place, path)).catch(() => undefined)) return
  throw new CreoError(
    'build_failed',
    `The command starts ${program}, and there is neither ${join(source, path)} nor one in linux-amd64 or linux-arm64.`,
    {
      hint: `Compile it into ${join(source, 'linux-amd64')} and ${join(source, 'linux-arm64')}, or mend command: in creo.yaml.`
    }
  )
}

function namesOfPackageJson(text: string): readonly string[] {
  try {
    return Object.keys(packageSchema.parse(JSON.parse(text)).dependencies ?? {})
  } catch {
    return []
  }
}

function namesOfRequirements(text: string): readonly string[] {
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim())
  return lines.filter((line) => line !== '' && !line.startsWith('-'))
}
