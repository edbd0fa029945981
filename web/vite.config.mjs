import {createHash} from 'node:crypto'
import {readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {brotliCompressSync} from 'node:zlib'

let output = join(import.meta.dirname, '..', 'apps', 'exchange', 'web', 'public')
const PACKED = /\.(?:css|html|js|svg|json|webmanifest)$/
/** Stands in the service worker for the files that are there without a network, and for what tells them from those of another build. */
const SHELL = '__SHELL__'
const BUILD = '__BUILD__'
const CONFIG = 'export const globalConfig = globalThis.__zod_globalConfig;'

/** Says in the service worker which files belong to the page, and lays a smaller form beside each. The same sources make the same bytes. */
const finish = {
  name: 'finish',
  configResolved: ({build}) => {
    output = resolve(import.meta.dirname, build.outDir)
  },
  closeBundle() {
    const names = () =>
      readdirSync(output, {recursive: true, withFileTypes: true})
        .filter((entry) => entry.isFile())
        .map(({parentPath, name}) => join(parentPath, name).slice(output.length + 1))
        .sort()
    const shell = names().filter((name) => name !== 'service-worker.js')
    const build = createHash('sha256')
    for (const name of shell) build.update(name).update(readFileSync(join(output, name)))
    const worker = join(output, 'service-worker.js')
    const text = readFileSync(worker, 'utf8')
      .replace(`'${SHELL}'`, JSON.stringify(shell.map((name) => (name === 'index.html' ? './' : name))))
      .replace(BUILD, build.digest('hex').slice(0, 16))
    writeFileSync(worker, text)
    for (const name of names().filter((name) => PACKED.test(name))) {
      const path = join(output, name)
      writeFileSync(`${path}.br`, brotliCompressSync(readFileSync(path)))
    }
  }
}

/** The page's policy compiles nothing out of text, so zod must not try to. It is told before it makes its first schema, whichever file that is in. */
const withoutEval = {
  name: 'without-eval',
  transform(code, id) {
    if (!id.endsWith('/zod/v4/core/core.js')) return undefined
    const told = code.replace(CONFIG, `${CONFIG}\nglobalConfig.jitless = true;`)
    if (told === code) throw new Error('zod keeps its settings elsewhere now: see web/vite.config.mjs')
    return {code: told, map: null}
  }
}

export default {
  root: import.meta.dirname,
  base: './',
  logLevel: 'warn',
  plugins: [withoutEval, finish],
  oxc: {jsx: {runtime: 'automatic', importSource: 'preact'}},
  build: {
    outDir: output,
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: {polyfill: false},
    assetsInlineLimit: 0,
    reportCompressedSize: false
  }
}
