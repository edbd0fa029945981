import {gzipSync} from 'node:zlib'
import {build} from 'esbuild'
import {expect, it} from 'vitest'

/** Of everything in it, for a page over a link of 2G. */
const GZIPPED_BYTES_MAX = 18 * 1024

it('can be loaded by a browser: it needs nothing of Node, and little', async () => {
  const {outputFiles, metafile} = await build({
    entryPoints: ['src/app-client/client.ts'],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    metafile: true
  })
  expect(Object.values(metafile.outputs).flatMap(({imports}) => imports)).toEqual([])
  expect(gzipSync(outputFiles[0]?.contents ?? '').length).toBeLessThan(GZIPPED_BYTES_MAX)
})
