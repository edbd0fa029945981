import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {savePassword} from '../../src/developer/registry-login.ts'
import {signRegistryToken} from '../../src/identity/registry-tokens.ts'
import {type BuiltImage, buildImage} from '../../src/images/build-image.ts'
import {RegistryAsks} from '../images/registry-asks.ts'
import {scratchDirectory} from '../images/registry-world.ts'
import {type Person, startWorld} from './coordinator-world.ts'

/** Where `CI` is set, a tool that is missing fails its test. */
const lacks = async (name: string): Promise<boolean> =>
  (await execa(name, ['--version'], {reject: false})).failed && process.env.CI === undefined
const [lacksSkopeo, lacksPodman, lacksBuildah] = [await lacks('skopeo'), await lacks('podman'), await lacks('buildah')]
const HOUR_MS = 3_600_000

let world: Awaited<ReturnType<typeof startWorld>>
let scratch: Awaited<ReturnType<typeof scratchDirectory>>
let colibris: Person
let ann: Person
let host: string
let image: BuiltImage

beforeAll(async () => {
  world = await startWorld()
  scratch = await scratchDirectory()
  colibris = await world.actors.person('colibris')
  ann = await world.actors.person('ann')
  host = new URL(world.coordinator.url).host
  image = await makeImage()
})
afterAll(async () => {
  await world.close()
  await scratch.remove()
})

async function makeImage(): Promise<BuiltImage> {
  const folder = join(scratch.path, 'app')
  await mkdir(folder)
  await writeFile(join(folder, 'run'), '#!/bin/sh\n', {mode: 0o755})
  const layoutDirectory = join(scratch.path, 'layout')
  const {signal} = new AbortController()
  return buildImage({platforms: [{architecture: 'amd64', base: 'scratch'}], folder, argv: ['/app/run'], env: {}, layoutDirectory, signal})
}

type Wish = Partial<Omit<Parameters<typeof signRegistryToken>[0], 'network'>>

function tokenOf({name, key}: Person, wish: Wish = {}): string {
  const scope = {account: name, actions: ['pull', 'push', 'delete'], issuedAtMs: Date.now(), notAfterMs: Date.now() + HOUR_MS} as const
  return signRegistryToken({network: world.coordinator.networkId, ...scope, ...wish}, key)
}

/** What podman, buildah and skopeo find when this person has logged in. */
async function clientsOf(person: Person): Promise<(program: string, ...args: string[]) => Promise<string>> {
  const path = join(scratch.path, `${person.name}.json`)
  await savePassword(path, {registry: host, user: person.name, password: tokenOf(person)})
  const state = ['--root', join(scratch.path, 'root'), '--runroot', join(scratch.path, 'run'), '--storage-driver', 'vfs']
  return async (program, ...args) => {
    const own = program === 'skopeo' ? [] : state
    const {stdout} = await execa(program, [...own, ...args], {env: {REGISTRY_AUTH_FILE: path}})
    return stdout
  }
}

/** Status and headers for who logs in as `user`; a bearer for the scope when it is given one. */
async function logIn(
  user: string,
  password: string,
  scope: string
): Promise<{status: number; bearer: RegistryAsks; message: string | undefined}> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const asks = new RegistryAsks(world.coordinator.url)
  const {status, text, message} = await asks.ask('GET', `token?service=creo-registry&scope=${scope}`, null, {authorization})
  const token = status === 200 ? (JSON.parse(text) as {token: string}).token : ''
  return {status, message, bearer: new RegistryAsks(world.coordinator.url, {authorization: `Bearer ${token}`})}
}

describe('unmodified clients, logged in with a token', () => {
  test.skipIf(lacksPodman)('podman login takes it, and refuses another password', async () => {
    const authfile = join(scratch.path, 'login.json')
    const login = (password: string) =>
      execa('podman', ['login', '--tls-verify=false', '--authfile', authfile, '-u', 'colibris', '-p', password, host], {reject: false})
    expect((await login(tokenOf(colibris))).stdout).toContain('Login Succeeded')
    expect(JSON.parse(await readFile(authfile, 'utf8')).auths).toHaveProperty([host])
    const refused = await login('guessed')
    expect([refused.failed, refused.stderr]).toEqual([true, expect.stringContaining('invalid username/password')])
  })

  test.skipIf(lacksSkopeo)('skopeo copies there and back, lists, inspects and deletes', async () => {
    const run = await clientsOf(colibris)
    const remote = `docker://${host}/colibris/shop/skopeo`
    await run('skopeo', 'copy', '--all', '--dest-tls-verify=false', `oci:${image.layoutDirectory}`, `${remote}:v1`)
    await run('skopeo', 'copy', '--all', '--src-tls-verify=false', '--dest-tls-verify=false', `${remote}:v1`, `${remote}-again:v2`)
    expect(JSON.parse(await run('skopeo', 'list-tags', '--tls-verify=false', remote)).Tags).toEqual(['v1'])
    const back = join(scratch.path, 'back')
    await run('skopeo', 'copy', '--all', '--src-tls-verify=false', `${remote}-again:v2`, `oci:${back}:v2`)
    expect(await readFile(join(back, 'index.json'), 'utf8')).toContain(image.indexDigest)
    await run('skopeo', 'delete', '--tls-verify=false', `${remote}:v1`)
    await expect(run('skopeo', 'inspect', '--tls-verify=false', `${remote}:v1`)).rejects.toThrow('manifest unknown')
  })

  test.skipIf(lacksPodman)('podman pushes and pulls', async () => {
    const run = await clientsOf(colibris)
    const remote = `${host}/colibris/shop/podman`
    const archive = join(scratch.path, 'app.tar')
    await execa('tar', ['-cf', archive, '-C', scratch.path, 'app'])
    await run('podman', 'import', archive, 'made')
    await run('podman', 'push', '--tls-verify=false', 'made', `docker://${remote}:v1`)
    await run('podman', 'rmi', '--all', '--force')
    await run('podman', 'pull', '--tls-verify=false', `${remote}:v1`)
    expect(await run('podman', 'images', '--format', '{{.Repository}}:{{.Tag}}')).toBe(`${remote}:v1`)
    await run('podman', 'rmi', '--all', '--force')
  })

  test.skipIf(lacksBuildah)('buildah builds, pushes and pulls', async () => {
    const run = await clientsOf(colibris)
    const remote = `${host}/colibris/shop/buildah:v1`
    const container = await run('buildah', 'from', 'scratch')
    await run('buildah', 'copy', container, join(scratch.path, 'app'), '/app')
    await run('buildah', 'commit', container, 'made')
    await run('buildah', 'push', '--tls-verify=false', 'made', `docker://${remote}`)
    await run('buildah', 'rm', '--all')
    await run('buildah', 'rmi', '--all', '--force')
    await run('buildah', 'pull', '--tls-verify=false', remote)
    expect(await run('buildah', 'images', '--format', '{{.Name}}:{{.Tag}}')).toBe(remote)
    await run('buildah', 'rmi', '--all', '--force')
  })

  test.skipIf(lacksSkopeo)('another account pulls what is there, and is refused a push with the reason', async () => {
    const run = await clientsOf(colibris)
    await run(
      'skopeo',
      'copy',
      '--all',
      '--dest-tls-verify=false',
      `oci:${image.layoutDirectory}`,
      `docker://${host}/colibris/shop/public:v1`
    )
    const asAnn = await clientsOf(ann)
    expect(await asAnn('skopeo', 'list-tags', '--tls-verify=false', `docker://${host}/colibris/shop/public`)).toContain('v1')
    const pushed = asAnn(
      'skopeo',
      'copy',
      '--dest-tls-verify=false',
      `oci:${image.layoutDirectory}`,
      `docker://${host}/colibris/shop/stolen:v1`
    )
    await expect(pushed).rejects.toThrow('denied: Only keys of colibris')
  })
})

test('who does not say who it is, is told where to log in, for what', async () => {
  const asks = new RegistryAsks(world.coordinator.url)
  const realm = `Bearer realm="${world.coordinator.url}/v2/token",service="creo-registry"`
  expect(await asks.ask('GET', '/v2/')).toMatchObject({status: 401, code: 'UNAUTHORIZED', headers: {'www-authenticate': realm}})
  const pull = await asks.ask('GET', 'colibris/shop/api/tags/list')
  expect([pull.status, pull.headers['www-authenticate']]).toEqual([401, `${realm},scope="repository:colibris/shop/api:pull"`])
  const push = await asks.ask('POST', 'colibris/shop/api/blobs/uploads/')
  expect([push.status, push.headers['www-authenticate']]).toEqual([401, `${realm},scope="repository:colibris/shop/api:pull,push"`])
  expect(await asks.ask('GET', 'token?scope=repository:a/b:pull')).toMatchObject({status: 401, code: 'UNAUTHORIZED'})
  const forged = new RegistryAsks(world.coordinator.url, {authorization: 'Bearer e30.AAAA'})
  expect((await forged.ask('GET', '/v2/')).headers['www-authenticate']).toContain('error="invalid_token"')
})

const WRONG: readonly [string, () => [user: string, token: string], string][] = [
  ['is no token', () => ['colibris', 'secret'], 'not a token'],
  ['is another account’s', () => ['colibris', tokenOf(ann)], 'one of ann'],
  ['is signed by a key of another account', () => ['colibris', tokenOf({...ann, name: 'colibris'})], 'not signed by a key of colibris'],
  ['has expired', () => ['colibris', tokenOf(colibris, {issuedAtMs: Date.now() - 2 * HOUR_MS, notAfterMs: Date.now() - 1})], 'expired'],
  ['would last for longer than a day', () => ['colibris', tokenOf(colibris, {notAfterMs: Date.now() + 25 * HOUR_MS})], 'longer than'],
  [
    'begins in the future',
    () => ['colibris', tokenOf(colibris, {issuedAtMs: Date.now() + HOUR_MS, notAfterMs: Date.now() + 2 * HOUR_MS})],
    'longer than'
  ],
  ['was changed', () => ['colibris', tokenOf(colibris).replace(/^./, 'f')], 'not']
]

test.each(WRONG)('a password that %s is refused', async (_what, of, message) => {
  const [user, password] = of()
  expect(await logIn(user, password, 'repository:colibris/a:pull')).toMatchObject({status: 401, message: expect.stringContaining(message)})
})

test("nobody gets the name of the base images' repositories, nor pushes or deletes there", async () => {
  await expect(world.actors.person('creo')).rejects.toThrow("is the network's own: its base images")
  const repository = 'creo/node'
  const {bearer} = await logIn('ann', tokenOf(ann), `repository:${repository}:pull,push,delete`)
  const denied = {status: 403, code: 'DENIED', message: 'What lies under creo/ comes from the network itself.'}
  expect(await bearer.ask('POST', `${repository}/blobs/uploads/`)).toMatchObject(denied)
  expect(await bearer.ask('DELETE', `${repository}/manifests/v1`)).toMatchObject(denied)
  expect((await bearer.ask('GET', `${repository}/tags/list`)).status).toBe(404)
})

test('a token is good for what it says, and a bearer for what was asked for', async () => {
  const narrow = tokenOf(colibris, {actions: ['pull', 'push'], repository: 'colibris/shop/*'})
  const scope = 'repository:colibris/shop/a:*&scope=repository:colibris/other:push,pull'
  const {bearer} = await logIn('colibris', narrow, scope)
  expect((await bearer.ask('GET', '/v2/')).status).toBe(200)
  const blob = await bearer.pushBlob('colibris/shop/a', 'content')
  const deleted = await bearer.ask('DELETE', `colibris/shop/a/blobs/${blob}`)
  expect([deleted.status, deleted.headers['www-authenticate']]).toEqual([401, expect.stringContaining('error="insufficient_scope"')])
  expect((await bearer.ask('POST', 'colibris/other/blobs/uploads/')).status).toBe(401)
  const foreign = await logIn('ann', tokenOf(ann), 'repository:colibris/shop/a:pull,push')
  expect((await foreign.bearer.ask('GET', `colibris/shop/a/blobs/${blob}`)).status).toBe(200)
  expect(await foreign.bearer.ask('POST', 'colibris/shop/a/blobs/uploads/')).toMatchObject({status: 403, code: 'DENIED'})
})
