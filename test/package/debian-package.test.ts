import {cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {makeDebianPackage} from '../../packaging/package/debian-package.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const TIMEOUT_MS = 60_000
/** Where `CI` is set, a tool that is missing fails its test. */
const lacksTools =
  (await execa('sh', ['-c', 'command -v dpkg-deb && command -v xz'], {reject: false})).failed && process.env.CI === undefined
const lacksSystemd = lacksTools || (await execa('systemd-analyze', ['--version'], {reject: false})).failed
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'creo-debian-test-'))
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))

test.skipIf(lacksTools)(
  'a Debian package brings the program, units that let it unpack itself, and settings that stay the owner’s',
  async () => {
    const file = await make('one', 'arm64')
    expect(file).toMatch(/creo_\d+\.\d+\.\d+_arm64\.deb$/)
    const {stdout: fields} = await execa('dpkg-deb', ['--field', file])
    expect(fields).toMatch(/^Package: creo$/m)
    expect(fields).toMatch(/^Architecture: arm64$/m)
    await execa('dpkg-deb', ['--raw-extract', file, join(folder, 'out')])
    const read = (path: string): string => readFileSync(join(folder, 'out', path), 'utf8')
    expect(read('usr/bin/creo')).toBe('the program')
    expect(statSync(join(folder, 'out/usr/bin/creo')).mode & 0o777).toBe(0o755)
    for (const role of ['coordinator', 'gateway', 'miner']) {
      const unit = read(`usr/lib/systemd/system/creo-${role}.service`)
      const [, cache] = /^CacheDirectory=(.+)$/m.exec(unit) ?? []
      expect(unit).toContain(`Environment=XDG_CACHE_HOME=%C/${cache}\n`)
      expect(unit).toMatch(new RegExp(`^ExecStart=/usr/bin/creo .*--data /var/lib/creo/${role}( |$)`, 'm'))
    }
    expect(read('DEBIAN/conffiles')).toBe('/etc/default/creo-coordinator\n/etc/default/creo-gateway\n')
    const manual = await execa('gzip', ['-dc', join(folder, 'out/usr/share/man/man1/creo.1.gz')])
    expect(manual.stdout).toMatch(/^\.B mine\nLend this machine/m)
    const page = await execa('gzip', ['-dc', join(folder, 'out/usr/share/doc/creo/PLUGINS.md.gz')])
    expect(page.stdout).toMatch(/^# Plugins/)
    await execa('md5sum', ['--check', '--strict', 'DEBIAN/md5sums'], {cwd: join(folder, 'out')})
    for (const script of ['postinst', 'prerm', 'postrm']) await execa('sh', ['-n', join(folder, 'out/DEBIAN', script)])
  }
)

test.skipIf(lacksSystemd)('systemd has nothing to say against its units', async () => {
  await execa('dpkg-deb', ['--raw-extract', await make('one', 'x64'), join(folder, 'out')])
  const units = ['coordinator', 'gateway', 'miner'].map((role) => join(folder, 'out/usr/lib/systemd/system', `creo-${role}.service`))
  // The program itself is not installed here.
  for (const unit of units) writeFileSync(unit, readFileSync(unit, 'utf8').replaceAll('/usr/bin/creo', '/bin/true'))
  const {exitCode, stderr} = await execa('systemd-analyze', ['verify', ...units], {reject: false})
  expect({exitCode, about: stderr.split('\n').filter((line) => line.includes('creo-'))}).toEqual({exitCode: 0, about: []})
})

test.skipIf(lacksTools)('the same program gives the same Debian package, wherever and whenever it is made', async () => {
  const elsewhere = join(folder, 'another', 'checkout')
  for (const path of ['package.json', 'packaging/debian', 'docs/PLUGINS.md'])
    cpSync(join(root, path), join(elsewhere, path), {recursive: true})
  const [one, two] = [await make('one', 'x64'), await make('two', 'x64', elsewhere)]
  expect(readFileSync(two).equals(readFileSync(one))).toBe(true)
})

async function make(name: string, architecture: 'x64' | 'arm64', from = root): Promise<string> {
  const output = join(folder, name)
  mkdirSync(output)
  const executable = join(output, 'creo')
  writeFileSync(executable, 'the program')
  utimesSync(executable, name.length, name === 'one' ? 1 : 2)
  return await makeDebianPackage({root: from, output, architecture, executable, signal: AbortSignal.timeout(TIMEOUT_MS)})
}
