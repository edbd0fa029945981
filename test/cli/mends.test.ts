import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {readDoneMends, undoNewest} from '../../src/compose/mend/apply-mends.ts'
import {describeMend} from '../../src/compose/mend/describe-mend.ts'
import {findUser, type HostFacts, readHostFacts} from '../../src/compose/mend/host-facts.ts'
import {inBootLine, inGrubSettings} from '../../src/compose/mend/kernel-words.ts'
import {mendHost, planForUser} from '../../src/compose/mend/mend-host.ts'
import {planMends} from '../../src/compose/mend/plan-mends.ts'

const VOLUNTEER = {name: 'volunteer', uid: 1000}
const GOOD: HostFacts = {
  user: VOLUNTEER,
  runsSystemd: true,
  packageManager: 'apt-get',
  programs: {podman: true, ociRuntime: true, newuidmap: true},
  userBus: 'there',
  cgroupVersion: 2,
  memoryController: true,
  controllers: ['cpuset', 'cpu', 'io', 'memory', 'pids'],
  delegated: ['cpu', 'memory', 'pids'],
  lingers: true,
  subuid: {path: '/etc/subuid', text: 'volunteer:100000:65536\n'},
  subgid: {path: '/etc/subgid', text: 'volunteer:100000:65536\n'},
  bootLine: undefined,
  grub: undefined,
  userNamespaces: {unprivilegedClone: 1, namespacesMax: 15_000}
}
const ROOT = {name: 'root', uid: 0}
const PI_LINE = {path: '/boot/firmware/cmdline.txt', text: 'console=tty1 root=PARTUUID=1-02 rootwait\n'}
const GRUB = {path: '/etc/default/grub', text: 'GRUB_CMDLINE_LINUX=""\n', command: ['update-grub']}

describe('what is mended', () => {
  test.each<[string, Partial<HostFacts>, readonly string[]]>([
    ['a machine that has all', {}, []],
    [
      'no podman, for a user',
      {programs: {podman: false, ociRuntime: false, newuidmap: false}},
      ['packages: apt-get install -y --no-install-recommends podman crun uidmap']
    ],
    [
      'no podman, for root',
      {user: ROOT, programs: {podman: false, ociRuntime: true, newuidmap: false}},
      ['packages: apt-get install -y --no-install-recommends podman']
    ],
    [
      'no crun on Fedora',
      {packageManager: 'dnf', programs: {podman: true, ociRuntime: false, newuidmap: true}},
      ['packages: dnf install -y crun']
    ],
    [
      'no id tool on Alpine',
      {packageManager: 'apk', programs: {podman: true, ociRuntime: true, newuidmap: false}},
      ['packages: apk add shadow-uidmap']
    ],
    [
      'no podman on Arch',
      {packageManager: 'pacman', programs: {podman: false, ociRuntime: true, newuidmap: true}},
      ['packages: pacman -S --needed --noconfirm podman']
    ],
    [
      'no podman on who knows what',
      {packageManager: undefined, programs: {podman: false, ociRuntime: true, newuidmap: true}},
      ['packages: by hand']
    ],
    ['no bus of the user', {userBus: 'missing'}, ['packages: apt-get install -y --no-install-recommends dbus-user-session']],
    ['no ids for containers', {subuid: {path: '/etc/subuid', text: 'ann:100000:65536\n'}}, ['subordinate-ids: /etc/subuid']],
    [
      'too few ids',
      {subuid: {path: '/etc/subuid', text: 'volunteer:100000:1000\n'}, subgid: {path: '/etc/subgid', text: ''}},
      ['subordinate-ids: /etc/subuid /etc/subgid']
    ],
    ['ids by number', {subuid: {path: '/etc/subuid', text: '1000:100000:65536\n'}}, []],
    [
      'no user namespaces on Debian',
      {userNamespaces: {unprivilegedClone: 0, namespacesMax: 15_000}},
      ['user-namespaces: /etc/sysctl.d/60-creo-user-namespaces.conf sysctl -p /etc/sysctl.d/60-creo-user-namespaces.conf']
    ],
    ['the same for root, who needs none of these', {user: ROOT, userNamespaces: {unprivilegedClone: 0, namespacesMax: undefined}}, []],
    ['a Raspberry Pi as it comes', {memoryController: false, bootLine: PI_LINE}, ['memory-controller: /boot/firmware/cmdline.txt, reboot']],
    [
      'no memory controller, and a boot line that is no such thing',
      {memoryController: false, bootLine: {...PI_LINE, text: 'one\ntwo\n'}},
      ['memory-controller: by hand, reboot']
    ],
    [
      'no memory controller, with GRUB',
      {memoryController: false, grub: GRUB},
      ['memory-controller: /etc/default/grub update-grub, reboot']
    ],
    [
      'control groups of version 1, with GRUB',
      {cgroupVersion: 1, delegated: undefined, grub: GRUB},
      ['unified-cgroups: /etc/default/grub update-grub, reboot']
    ],
    [
      'control groups of version 1, and no boot loader known',
      {cgroupVersion: 1, delegated: undefined},
      ['unified-cgroups: by hand, reboot']
    ],
    [
      'control groups of version 1, where root enforces limits all the same',
      {user: ROOT, cgroupVersion: 1, delegated: undefined, grub: GRUB},
      []
    ],
    [
      'controllers kept from users',
      {delegated: ['memory', 'pids']},
      ['delegation: /etc/systemd/system/user@.service.d/50-creo-delegate.conf systemctl daemon-reload']
    ],
    ['a controller that the kernel has not', {controllers: ['memory', 'pids'], delegated: ['memory', 'pids']}, []],
    ['a user who does not linger', {lingers: false}, ['linger: loginctl enable-linger volunteer']]
  ])('%s', (_title, facts, expected) => {
    const planned = planMends({...GOOD, ...facts}).map(({id, byHand, edits, commands, holds}) => {
      const what = byHand === undefined ? [...edits.map(({path}) => path), ...commands.map((command) => command.join(' '))] : ['by hand']
      return `${id}: ${what.join(' ')}${holds === 'after_reboot' ? ', reboot' : ''}`
    })
    expect(planned).toEqual(expected)
  })

  test('new ids overlap nobody’s', () => {
    const subuid = {path: '/etc/subuid', text: 'ann:165536:65536'}
    const [mend] = planMends({...GOOD, subuid, subgid: {path: '/etc/subgid', text: ''}})
    expect(mend?.edits.map(({after}) => after)).toEqual(['ann:165536:65536\nvolunteer:231072:65536\n', 'volunteer:231072:65536\n'])
  })
})

describe('the kernel’s command line', () => {
  const change = {add: ['cgroup_enable=memory', 'cgroup_memory=1'], drop: ['cgroup_disable=memory']}

  test.each([
    ['root=/dev/mmcblk0p2 quiet\n', 'root=/dev/mmcblk0p2 quiet cgroup_enable=memory cgroup_memory=1\n'],
    ['console=tty1 root=PARTUUID=1-02 cgroup_memory=1', 'console=tty1 root=PARTUUID=1-02 cgroup_memory=1 cgroup_enable=memory'],
    ['cgroup_disable=memory root=/dev/sda1\n\n', ' root=/dev/sda1 cgroup_enable=memory cgroup_memory=1\n\n'],
    ['root=/dev/sda1 xcgroup_memory=1\n', 'root=/dev/sda1 xcgroup_memory=1 cgroup_enable=memory cgroup_memory=1\n']
  ])('of a Raspberry Pi: %j', (text, expected) => {
    expect(inBootLine(text, change)).toBe(expected)
    expect(inBootLine(expected, change)).toBe(expected)
  })

  test.each(['', 'quiet\n', 'root=/dev/sda1\nsecond line\n', 'rootwait noroot=1\n'])(
    'that is not one line with a root is left alone: %j',
    (text) => {
      expect(inBootLine(text, change)).toBeUndefined()
    }
  )

  test.each([
    ['A=1\nGRUB_CMDLINE_LINUX=""\nB=2\n', 'A=1\nGRUB_CMDLINE_LINUX="cgroup_enable=memory cgroup_memory=1"\nB=2\n'],
    ["GRUB_CMDLINE_LINUX='quiet cgroup_disable=memory'\n", "GRUB_CMDLINE_LINUX='quiet cgroup_enable=memory cgroup_memory=1'\n"],
    [
      'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
      'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="cgroup_enable=memory cgroup_memory=1"\n'
    ],
    ['# GRUB_CMDLINE_LINUX="x"', '# GRUB_CMDLINE_LINUX="x"\nGRUB_CMDLINE_LINUX="cgroup_enable=memory cgroup_memory=1"\n']
  ])('in the settings of GRUB: %j', (text, expected) => {
    expect(inGrubSettings(text, change)).toBe(expected)
    expect(inGrubSettings(expected, change)).toBe(expected)
  })

  test.each([
    'GRUB_CMDLINE_LINUX="$OTHER"\n',
    'GRUB_CMDLINE_LINUX+=" x"\n',
    'GRUB_CMDLINE_LINUX="a"\nGRUB_CMDLINE_LINUX="b"\n',
    'GRUB_CMDLINE_LINUX="a" # note\n'
  ])('in settings that a program can’t read for certain is left alone: %j', (text) => {
    expect(inGrubSettings(text, change)).toBeUndefined()
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
    for (const program of ['podman', 'crun', 'newuidmap']) await put(`usr/bin/${program}`, '')
    await put('boot/firmware/cmdline.txt', PI_LINE.text)
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
    expect(await read('boot/firmware/cmdline.txt.before-creo')).toBe(PI_LINE.text)
    expect(await read('etc/subgid')).toBe('volunteer:165536:65536\n')
    expect(ran).toEqual(['loginctl enable-linger volunteer'])
  })

  test('all of it is taken back', async () => {
    const {user, mends} = await planForUser('volunteer', root)
    await mendHost(patient(), user, mends)
    for (const _each of mends) await undoNewest(patient())
    expect(await undoNewest(patient())).toBeUndefined()
    expect(await read('boot/firmware/cmdline.txt')).toBe(PI_LINE.text)
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

  test('a mend that changed nothing is not called mended', async () => {
    await put('boot/firmware/cmdline.txt', PI_LINE.text)
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
