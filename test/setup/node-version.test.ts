import {readFile} from 'node:fs/promises'
import {expect, test} from 'vitest'
import {CREO_NODE} from '../../packaging/setup/places.mjs'

test('the oldest Node is the same in package.json, in the set-up and in the check of the program itself', async () => {
  const {engines} = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  const program = await readFile(new URL('../../bin/run.js', import.meta.url), 'utf8')
  expect(engines.node).toBe(`>=${CREO_NODE.join('.')}`)
  expect(program).toContain(`const NODE_MIN = [${CREO_NODE.join(', ')}]`)
})
