import type {BaseName} from '../../images/bases.ts'

/** One layer of a base: Debian packages, the pinned Node, texts. A layer that several bases have is the same blob. */
export interface LayerRecipe {
  readonly packages: readonly string[]
  readonly node?: boolean
  /** The texts of a system, and one file with all authorities of TLS. */
  readonly system?: boolean
  readonly links?: Readonly<Record<string, string>>
}

export interface BaseRecipe {
  readonly layers: readonly LayerRecipe[]
  readonly env: readonly string[]
  readonly entrypoint: readonly string[]
}

const STATIC: LayerRecipe = {
  packages: ['ca-certificates', 'tzdata'],
  system: true
}
const LIBC: LayerRecipe = {packages: ['libc6', 'libgcc-s1', 'libstdc++6']}
const NODE: LayerRecipe = {packages: [], node: true}
const PYTHON: LayerRecipe = {
  packages: [
    'libbz2-1.0',
    'libcrypt1',
    'libexpat1',
    'libffi8',
    'liblzma5',
    'libpython3.11-minimal',
    'libpython3.11-stdlib',
    'libsqlite3-0',
    'libssl3',
    'libuuid1',
    'python3.11-minimal',
    'zlib1g'
  ],
  links: {'usr/bin/python': 'python3.11', 'usr/bin/python3': 'python3.11'}
}

const PATH = 'PATH=/usr/local/bin:/usr/bin:/bin'
const HOME = 'HOME=/tmp'

export const RECIPES: Readonly<Record<BaseName, BaseRecipe>> = {
  node: {layers: [STATIC, LIBC, NODE], env: [PATH, HOME, 'NODE_ENV=production'], entrypoint: ['/usr/local/bin/node']},
  python: {
    layers: [STATIC, LIBC, PYTHON],
    env: [PATH, HOME, 'PYTHONDONTWRITEBYTECODE=1', 'PYTHONPATH=/app/site-packages', 'PYTHONUNBUFFERED=1'],
    entrypoint: ['/usr/bin/python3']
  },
  static: {layers: [STATIC], env: [PATH, HOME], entrypoint: []}
}

/** What Python needs to run. */
export const PYTHON_PACKAGES: readonly string[] = [...LIBC.packages, ...PYTHON.packages]
export const PACKAGES: readonly string[] = [...new Set([STATIC, LIBC, NODE, PYTHON].flatMap((layer) => layer.packages))].sort()

/** What no function needs: manuals, translations, the loader's auditing, conversions among character sets of the last century. */
const LEFT_OUT = [
  /^usr\/share\/(?:man|locale|lintian|bug|info|doc-base|gcc|gdb|pixmaps|apps|binfmts|applications|python3)(?:\/|$)/,
  /^usr\/share\/zoneinfo\/(?:right|posix)(?:\/|$)/,
  /^usr\/share\/(?:ca-certificates)(?:\/|$)/,
  /^usr\/(?:lib|libexec)\/[^/]+\/(?:gconv|audit)(?:\/|$)/,
  /^(?:usr\/)?sbin(?:\/|$)/,
  /^etc\/(?:ca-certificates|python3\.11|ld\.so\.conf\.d)(?:\/|$)/
]

/** Of the documents, a package's licence stays. */
export function isWanted(path: string): boolean {
  if (/^usr\/share\/doc\/[^/]+\//.test(path)) return path.endsWith('/copyright')
  return !LEFT_OUT.some((pattern) => pattern.test(path))
}
