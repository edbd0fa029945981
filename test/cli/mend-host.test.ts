import {chmod, chown, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {afterEach, beforeEach, describe, expect, onTestFinished, test} from 'vitest'
import {readDoneMends, undoNewest} from '../../src/compose/mend/apply-mends.ts'
import {describeMend} from '../../src/compose/mend/describe-mend.ts'
import {findUser, readHostFacts} from '../../src/compose/mend/host-facts.ts'
import {mendHost, planForUser, thisMachine} from '../../src/compose/mend/mend-host.ts'

const VOLUNTEER = {name: 'volunteer', uid: 1000}
const PI_LINE = 'console=tty1 root=PARTUUID=1-02 rootwait\n'

describe('on this machine', () => {
  test('a package manager that has begun runs to its end, also after Ctrl-C, and nothing is begun then', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'creo-mend-'))
    onTestFinished(() => rm(folder, {recursive: true}))
    const [manager, other] = [join(folder, 'apt-get'), join(folder, 'other')]
    await writeFile(
      manager,
      `#!/bin/sh\necho began >${folder}/log\nuntil [ -e ${folder}/go ]; do sleep 0.05; done\necho ended >>${folder}/log\n`
    )
    await writeFile(other, `#!/bin/sh\necho other >>${folder}/log\n`)
    for (const program of [manager, other]) await chmod(program, 0o755)
    const ctrlC = new AbortController()
    const said: string[] = []
    const machine = thisMachine(ctrlC.signal, (sentence) => said.push(sentence))
    const running = machine.run([manager])
    await expect.poll(() => readFile(join(folder, 'log'), 'utf8').catch(() => '')).toBe('began\n')
    ctrlC.abort(new Error('Ctrl-C'))
    expect(said).toEqual([expect.stringContaining('is not stopped in the middle')])
    await writeFile(join(folder, 'go'), '')
    await running
    await expect(machine.run([other])).rejects.toThrow('Ctrl-C')
    expect(await readFile(join(folder, 'log'), 'utf8')).toBe('began\nended\n')
  })

  test('another command is ended by Ctrl-C', async () => {
    const ctrlC = new AbortController()
    const running = thisMachine(ctrlC.signal, () => undefined).run(['sleep', '600'])
    ctrlC.abort(new Error('Ctrl-C'))
    await expect(running).rejects.toThrow('Ctrl-C')
  })
})

describe('on a copy of a machine', () => {
  let root: string
  const ran: string[] = []
  const patient = () => ({
    root,
    run: async (command: readonly string[]) => {
      ran.push(command.join(' '))
      if (command[0] === 'loginctl') await put('var/lib/systemd/linger/volunteer', '')
    }
  })
  const put = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), {recursive: true})
    await writeFile(join(root, path), text)
  }
  const read = (path: string) => readFile(join(root, path), 'utf8')
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'creo-mend-'))
    ran.length = 0
    await put('etc/passwd', 'root:x:0:0::/root:/bin/sh\nvolunteer:x:1000:1000::/home/volunteer:/bin/sh\n')
    await put('sys/fs/cgroup/cgroup.controllers', 'cpuset cpu io pids\n')
    await put('run/systemd/system/x', '')
    await put('run/user/1000/bus', '')
    for (const program of ['podman', 'crun', 'newuidmap', 'mount']) await put(`usr/bin/${program}`, '')
    await put('boot/firmware/cmdline.txt', PI_LINE)
    await put('etc/subuid', 'ann:100000:65536\n')
  })
  afterEach(() => rm(root, {recursive: true}))

  test('it finds what a Raspberry Pi lacks, mends it, leaves the boot line beside, and says that a reboot is needed', async () => {
    const {user, mends} = await planForUser('volunteer', root)
    expect(mends.map(({id, status}) => `${id} ${status}`)).toEqual([
      'subordinate-ids planned',
      'memory-controller planned',
      'linger planned'
    ])
    expect(mends.map(describeMend).join('\n')).toContain(
      '- console=tty1 root=PARTUUID=1-02 rootwait\n    + console=tty1 root=PARTUUID=1-02 rootwait cgroup_enable=memory'
    )
    const done = await mendHost(patient(), user, mends)
    expect(done.map(({id, status}) => `${id} ${status}`)).toEqual([
      'subordinate-ids mended',
      'memory-controller after_reboot',
      'linger mended'
    ])
    expect(await read('boot/firmware/cmdline.txt')).toBe('console=tty1 root=PARTUUID=1-02 rootwait cgroup_enable=memory cgroup_memory=1\n')
    expect(await read('boot/firmware/cmdline.txt.before-creo')).toBe(PI_LINE)
    expect(await read('etc/subgid')).toBe('volunteer:165536:65536\n')
    expect(ran).toEqual(['loginctl enable-linger volunteer'])
  })

  test('all of it is taken back', async () => {
    const {user, mends} = await planForUser('volunteer', root)
    await mendHost(patient(), user, mends)
    for (const _each of mends) await undoNewest(patient())
    expect(await undoNewest(patient())).toBeUndefined()
    expect(await read('boot/firmware/cmdline.txt')).toBe(PI_LINE)
    expect(await readdir(join(root, 'boot/firmware'))).toEqual(['cmdline.txt'])
    expect(await read('etc/subuid')).toBe('ann:100000:65536\n')
    expect(await readdir(join(root, 'etc'))).not.toContain('subgid')
    expect(ran.at(-1)).toBe('loginctl disable-linger volunteer')
  })

  test('a file that somebody changed meanwhile is neither written over nor restored', async () => {
    const {user, mends} = await planForUser('volunteer', root)
    await put('etc/subuid', 'bob:100000:65536\n')
    const [first, second] = await mendHost(patient(), user, mends)
    expect(first).toMatchObject({id: 'subordinate-ids', status: 'failed', error: expect.stringContaining('/etc/subuid')})
    expect(second).toMatchObject({status: 'planned'})
    const again = await planForUser('volunteer', root)
    await mendHost(patient(), user, again.mends)
    await put('boot/firmware/cmdline.txt', 'root=/dev/sda1 mine\n')
    await undoNewest(patient())
    await expect(undoNewest(patient())).rejects.toMatchObject({code: 'conflict', message: expect.stringContaining('cmdline.txt')})
    expect(await read('boot/firmware/cmdline.txt')).toBe('root=/dev/sda1 mine\n')
    expect((await readDoneMends(patient())).map(({id}) => id)).toEqual(['subordinate-ids', 'memory-controller'])
  })

  test('under a strict umask, files keep owner, mode and link, new ones are for all to read, and what creo keeps is root’s alone', async () => {
    await put('etc/subuid.real', 'ann:100000:65536\n')
    await chmod(join(root, 'etc/subuid.real'), 0o664)
    await rm(join(root, 'etc/subuid'))
    await symlink('subuid.real', join(root, 'etc/subuid'))
    const owner = process.getuid?.() === 0 ? 4711 : (process.getuid?.() ?? 0)
    if (process.getuid?.() === 0) await chown(join(root, 'etc/subuid.real'), owner, owner)
    const umask = process.umask(0o077)
    onTestFinished(() => void process.umask(umask))
    const {user, mends} = await planForUser('volunteer', root)
    await mendHost(patient(), user, mends)
    expect((await lstat(join(root, 'etc/subuid'))).isSymbolicLink()).toBe(true)
    expect(await read('etc/subuid.real')).toBe('ann:100000:65536\nvolunteer:165536:65536\n')
    expect(await stat(join(root, 'etc/subuid.real'))).toMatchObject({mode: 0o100664, uid: owner})
    expect(await stat(join(root, 'etc/subgid'))).toMatchObject({mode: 0o100644})
    expect(await stat(join(root, 'etc/subuid.before-creo'))).toMatchObject({mode: 0o100600})
    expect(await stat(join(root, 'var/lib/creo/mends.json'))).toMatchObject({mode: 0o100600})
    for (const _each of mends) await undoNewest(patient())
    expect(await stat(join(root, 'etc/subuid.real'))).toMatchObject({mode: 0o100664, uid: owner})
  })

  test('what was there before creo’s first edit is kept for as long as one of its edits stands', async () => {
    await put('etc/passwd', 'volunteer:x:1000:1000::/home/volunteer:/bin/sh\nann:x:1001:1001::/home/ann:/bin/sh\n')
    await put('etc/subuid', '')
    for (const name of ['volunteer', 'ann']) {
      const {user, mends} = await planForUser(name, root)
      await mendHost(
        patient(),
        user,
        mends.filter(({id}) => id === 'subordinate-ids')
      )
    }
    expect(await read('etc/subuid')).toBe('volunteer:100000:65536\nann:165536:65536\n')
    expect(await read('etc/subuid.before-creo')).toBe('')
    await undoNewest(patient())
    expect(await read('etc/subuid.before-creo')).toBe('')
    await undoNewest(patient())
    expect(await readdir(join(root, 'etc'))).not.toContain('subuid.before-creo')
  })

  test('a boot line that waits for a reboot is not edited again, whatever is lacking', async () => {
    await rm(join(root, 'sys'), {recursive: true})
    for (const _time of [1, 2]) {
      const {user, mends} = await planForUser('volunteer', root)
      const done = await mendHost(
        patient(),
        user,
        mends.filter(({holds}) => holds === 'after_reboot')
      )
      expect(done.map(({id, status}) => `${id} ${status}`)).toEqual(['memory-controller after_reboot'])
    }
    expect(await read('boot/firmware/cmdline.txt')).toContain('cgroup_memory=1 systemd.unified_cgroup_hierarchy=1\n')
    expect(await read('boot/firmware/cmdline.txt.before-creo')).toBe(PI_LINE)
    expect(await readDoneMends(patient())).toHaveLength(1)
  })

  test('what GRUB reads after its settings is read too', async () => {
    await rm(join(root, 'boot'), {recursive: true})
    await put('etc/default/grub', 'GRUB_CMDLINE_LINUX=""\n')
    await put('usr/sbin/update-grub', '')
    await put('etc/default/grub.d/50-vendor.cfg', 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT cgroup_disable=memory"\n')
    const {mends} = await planForUser('volunteer', root)
    expect(mends.map(({id, status}) => `${id} ${status}`)).toContain('memory-controller by_hand')
  })

  test('a mend that changed nothing is not called mended', async () => {
    await put('boot/firmware/cmdline.txt', PI_LINE)
    const {user, mends} = await planForUser('volunteer', root)
    const idle = {root, run: async () => undefined}
    expect((await mendHost(idle, user, mends)).at(-1)).toMatchObject({id: 'linger', status: 'failed'})
  })

  test('version 1 and its memory controller are read from the kernel’s own table', async () => {
    await rm(join(root, 'sys'), {recursive: true})
    await put('proc/cgroups', '#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t50\t0\n')
    expect(await readHostFacts(root, VOLUNTEER)).toMatchObject({cgroupVersion: 1, memoryController: false})
    await put('proc/cgroups', 'memory\t4\t50\t1\n')
    expect(await readHostFacts(root, VOLUNTEER)).toMatchObject({cgroupVersion: 1, memoryController: true})
  })

  test('a user that the machine does not know is not found', async () => {
    await expect(findUser(root, 'nobody-here')).rejects.toMatchObject({code: 'not_found'})
  })
})
