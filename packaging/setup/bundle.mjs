import {cpSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync} from 'node:fs'
import {dirname, join, relative, sep} from 'node:path'
import {build} from 'esbuild'
import {NODE_MODULES, ROOT, STATE} from './places.mjs'

const DIST = join(ROOT, 'dist')
/** Holds what `dist` does, at the same places, in few files. */
const BUNDLE = join(ROOT, 'bundle')
/** Packages that stay in node_modules: a native addon, and what is run as a program of its own. */
const EXTERNAL_PACKAGES = ['better-sqlite3', 'npm', 'yarn']
const FRAMEWORK_PLUGINS = ['@oclif/plugin-help', '@oclif/plugin-plugins', '@oclif/plugin-autocomplete', '@oclif/plugin-not-found']
/** Where examples have `creo/client`, as somebody who starts from one copies it out of the package. */
const CLIENTS = ['api', join('page', 'public')].map((folder) => join(ROOT, 'examples', 'counter', folder, 'client.js'))
const OWN_REQUIRE = /^const require = createRequire\(import\.meta\.url\);?$/m
const RUNTIMES = ['runtime-podman', 'runtime-containerd']
/** Stands in the code of a module for the way from the file that it ends up in to the bundle's root. */
const ROOT_TOKEN = '__BUNDLE_ROOT__'
/** Packages in CommonJS call `require` for Node's own modules. */
const BANNER = "import {createRequire as bundleRequire} from 'node:module'\nconst require = bundleRequire(import.meta.url)"

/**
 * Makes the bundle of what was compiled: every command, worker and plugin a file of its own, which share the rest. It takes the place of the last one
 * as a whole, and only when it is another: programs that run load more of it as they go. The same input makes the same bytes. Under the lock of the set-up, like all that builds.
 */
async function bundle() {
  const {outputFiles, metafile} = await build({
    entryPoints: entryPoints(),
    absWorkingDir: ROOT,
    outdir: BUNDLE,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.19',
    conditions: ['node'],
    mainFields: ['module', 'main'],
    minifyWhitespace: true,
    minifySyntax: true,
    banner: {js: BANNER},
    external: EXTERNAL_PACKAGES.flatMap((name) => [name, `${name}/*`]),
    plugins: [oneLanguage, frameworkByNeed, sourcePlaces],
    logLevel: 'error',
    write: false,
    metafile: true
  })
  refuseNameless(metafile)
  const making = join(STATE, 'bundle')
  rmSync(making, {recursive: true, force: true})
  for (const {path, text} of outputFiles) {
    const place = relative(BUNDLE, path)
    const up = relative(dirname(place), '.').split(sep).join('/') || '.'
    write(join(making, place), text.replaceAll(ROOT_TOKEN, up))
  }
  const client = await clientForBrowsers()
  write(join(making, 'client.js'), client)
  for (const path of CLIENTS) if (!existsSync(path) || readFileSync(path, 'utf8') !== client) write(path, client)
  writeManifests(making)
  if (isSame(making, BUNDLE)) {
    const now = new Date()
    utimesSync(join(BUNDLE, 'cli', 'main.js'), now, now)
    rmSync(making, {recursive: true})
    return
  }
  rmSync(BUNDLE, {recursive: true, force: true})
  renameSync(making, BUNDLE)
}

/** `creo/client` as one file that needs nothing but what every browser has; for pages without a bundler of their own, and for npm. */
async function clientForBrowsers() {
  const {outputFiles} = await build({
    entryPoints: [join(DIST, 'app-client', 'client.js')],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'error',
    write: false
  })
  return outputFiles[0].text
}

/** In a bundle a CommonJS module that is loaded by `import()` itself has `default` alone: what our own code took from it by name would be undefined. */
function refuseNameless({inputs}) {
  for (const [importer, {imports}] of Object.entries(inputs)) {
    if (importer.startsWith('node_modules/')) continue
    const nameless = imports.find(({kind, path}) => kind === 'dynamic-import' && inputs[path]?.format === 'cjs')
    if (nameless !== undefined)
      throw new Error(`${importer} loads ${nameless.path} by import(): export its names from a module of our own.`)
  }
}

/** Whether two folders hold the same files. */
function isSame(one, other) {
  const [files, others] = [one, other].map((cwd) => globSync('**', {cwd, withFileTypes: true}).filter((entry) => entry.isFile()))
  return (
    files.length === others.length &&
    files.every(({parentPath, name}) => {
      const path = join(parentPath, name)
      const rival = join(other, relative(one, path))
      return existsSync(rival) && readFileSync(path).equals(readFileSync(rival))
    })
  )
}

/** Where each file lies in the bundle, by its place there without `.js`. */
function entryPoints() {
  const own = globSync(['cli/{main,lean-process}.js', 'commands/**/*.js', '**/*-worker.js'], {cwd: DIST}).map((file) => [
    file,
    join(DIST, file)
  ])
  const plugins = FRAMEWORK_PLUGINS.flatMap((name) => {
    const folder = join(NODE_MODULES, name)
    return globSync(['lib/index.js', 'lib/commands/**/*.js', 'lib/hooks/**/*.js'], {cwd: folder}).map((file) => [
      join('node_modules', name, file),
      join(folder, file)
    ])
  })
  const runtimes = RUNTIMES.map((name) => [`node_modules/@creometry/${name}/dist/hook.js`, join(ROOT, 'plugins', name, 'dist', 'hook.js')])
  const libraries = [['libraries/conf.js', 'conf']]
  return Object.fromEntries(
    [...own, ...libraries, ...plugins, ...runtimes].sort().map(([place, input]) => [place.replace(/\.js$/, ''), input])
  )
}

/** zod's words in the one language that creo speaks; the other fifty were half of what it reads. */
const oneLanguage = {
  name: 'one-language',
  setup: (build) => build.onLoad({filter: /\/zod\/v4\/locales\/index\.js$/}, () => ({contents: "export {default as en} from './en.js'"}))
}

/**
 * What the framework does at each start and need not: it looks for the version of Node, which bin/run.js has done; it makes a pattern of each plugin's name, which has none;
 * and it takes every line of its help for a template. Each text to be replaced is there, or the bundle is not made: another version of the framework has to be looked at.
 */
const FRAMEWORK_BY_NEED = [
  ['index.js', '\ncheckNodeVersion();\n', '\n'],
  [
    'config/plugin-loader.js',
    'const minimatch_1 = require("minimatch");',
    'const minimatch_1 = {minimatch: (name, pattern) => /^[\\w@./-]+$/.test(pattern) ? name === pattern : require("minimatch").minimatch(name, pattern)};'
  ],
  ...['config/config.js', 'help/util.js'].map((file) => [
    file,
    'const ejs_1 = __importDefault(require("ejs"));',
    'const ejs_1 = {default: {render: (text, ...rest) => typeof text === "string" && !text.includes("<%") ? text : require("ejs").render(text, ...rest)}};'
  ])
]

const frameworkByNeed = {
  name: 'framework-by-need',
  setup: (build) =>
    build.onLoad({filter: /\/@oclif\/core\/lib\/(index|config\/(config|plugin-loader)|help\/util)\.js$/}, ({path}) => {
      let contents = readFileSync(path, 'utf8')
      for (const [file, text, instead] of FRAMEWORK_BY_NEED) {
        if (!path.endsWith(`/lib/${file}`)) continue
        if (!contents.includes(text)) throw new Error(`${path} holds no ${text.trim()}: look at what this version of the framework does.`)
        contents = contents.replace(text, () => instead)
      }
      return {contents, loader: 'js'}
    })
}

/**
 * Tells each module the place that it would have beside the others, so that what it finds by that (workers, the folders of the program) is found from any
 * file that it is put into; and takes a `require` that a module made for itself as an import like any, but for conf: it is read at a first write alone,
 * from a file of its own.
 */
const sourcePlaces = {
  name: 'source-places',
  setup: (build) =>
    build.onLoad({filter: /\.m?js$/}, ({path}) => {
      const code = readFileSync(path, 'utf8')
      if (!code.includes('import.meta.url')) return undefined
      const place = (path.startsWith(DIST + sep) ? relative(DIST, path) : relative(ROOT, path)).split(sep).join('/')
      const own = code.includes("require('conf')")
        ? code.replace("require('conf')", "require('../libraries/conf.js')")
        : code.replace(OWN_REQUIRE, '')
      const contents = own.replaceAll('import.meta.url', `new URL(${JSON.stringify(`${ROOT_TOKEN}/${place}`)}, import.meta.url).href`)
      return {contents, loader: 'js'}
    })
}

/** What the framework reads of the program and of each plugin at every start. */
function writeManifests(folder) {
  const {name, version, description, type, dependencies, oclif} = readJson(join(ROOT, 'package.json'))
  writeJson(join(folder, 'package.json'), {name, version, description, type, dependencies, oclif: {...oclif, commands: './commands'}})
  const manifest = readJson(join(ROOT, 'oclif.manifest.json'))
  for (const command of Object.values(manifest.commands)) command.relativePath = command.relativePath.slice(1)
  writeJson(join(folder, 'oclif.manifest.json'), manifest)
  for (const plugin of FRAMEWORK_PLUGINS) {
    for (const file of ['package.json', 'oclif.manifest.json']) {
      cpSync(join(NODE_MODULES, plugin, file), join(folder, 'node_modules', plugin, file))
    }
  }
  for (const runtime of RUNTIMES) {
    cpSync(join(ROOT, 'plugins', runtime, 'package.json'), join(folder, 'node_modules', '@creometry', runtime, 'package.json'))
  }
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

function writeJson(path, value) {
  write(path, JSON.stringify(value))
}

function write(path, text) {
  mkdirSync(dirname(path), {recursive: true})
  writeFileSync(path, text)
}

await bundle()
