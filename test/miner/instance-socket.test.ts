import {once} from 'node:events'
import {symlink, writeFile} from 'node:fs/promises'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {connectInstance} from '../../src/miner/instance-socket.ts'
import {temporaryDirectory} from './worlds.ts'

async function listening(path: string): Promise<void> {
  const server = createServer((socket) => void socket.end('hello'))
  server.listen(path)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
}

test('a socket is connected to', async () => {
  const path = join(await temporaryDirectory(), 's')
  await listening(path)
  const socket = await connectInstance(path)
  let text = ''
  for await (const chunk of socket) text += chunk
  expect(text).toBe('hello')
})

test('a link to another socket of the host is not followed', async () => {
  const directory = await temporaryDirectory()
  await listening(join(directory, 'of-the-host'))
  await symlink(join(directory, 'of-the-host'), join(directory, 's'))
  await expect(connectInstance(join(directory, 's'))).rejects.toMatchObject({code: 'rejected'})
})

test('a file, nothing, and a socket that nobody listens on are told apart', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 's'), '')
  await expect(connectInstance(join(directory, 's'))).rejects.toMatchObject({code: 'rejected'})
  await expect(connectInstance(join(directory, 'none'))).rejects.toMatchObject({code: 'no_instance'})
})
