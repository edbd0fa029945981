import {describe, expect, test} from 'vitest'
import type {HostFacts} from '../../src/compose/mend/host-facts.ts'
import {inBootLine, inGrubSettings} from '../../src/compose/mend/kernel-words.ts'
import {planMends} from '../../src/compose/mend/plan-mends.ts'

const VOLUNTEER = {name: 'volunteer', uid: 1000}
const GOOD: HostFacts = {
  user: VOLUNTEER,
  runsSystemd: true,
  packageManager: 'apt-get',
  programs: {podman: true, ociRuntime: true, newuidmap: true, mount: true},
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
  grubby: false,
  kernelWords: ['quiet', 'systemd.unified_cgroup_hierarchy=0'],
  delegationFile: {path: '/etc/systemd/system/user@.service.d/50-creo-delegate.conf', text: undefined},
  namespacesFile: {path: '/etc/sysctl.d/60-creo-user-namespaces.conf', text: undefined},
  userNamespaces: {unprivilegedClone: 1, namespacesMax: 15_000}
}
const ROOT = {name: 'root', uid: 0}
const PI_LINE = {path: '/boot/firmware/cmdline.txt', text: 'console=tty1 root=PARTUUID=1-02 rootwait\n'}
const GRUB = {path: '/etc/default/grub', text: 'GRUB_CMDLINE_LINUX=""\n', command: ['update-grub'], laterText: ''}

describe('what is mended', () => {
  test.each<[string, Partial<HostFacts>, readonly string[]]>([
    ['a machine that has all', {}, []],
    [
      'no podman, for a user',
      {programs: {podman: false, ociRuntime: false, newuidmap: false, mount: false}},
      ['packages: apt-get install -y --no-install-recommends podman crun mount uidmap']
    ],
    [
      'no podman, for root',
      {user: ROOT, programs: {podman: false, ociRuntime: true, newuidmap: false, mount: true}},
      ['packages: apt-get install -y --no-install-recommends podman']
    ],
    [
      'no crun and no mount on Fedora',
      {packageManager: 'dnf', programs: {podman: true, ociRuntime: false, newuidmap: true, mount: false}},
      ['packages: dnf install -y crun util-linux']
    ],
    [
      'no id tool on Alpine',
      {packageManager: 'apk', programs: {podman: true, ociRuntime: true, newuidmap: false, mount: true}},
      ['packages: apk add shadow-uidmap']
    ],
    [
      'no podman on Arch',
      {packageManager: 'pacman', programs: {podman: false, ociRuntime: true, newuidmap: true, mount: true}},
      ['packages: pacman -S --needed --noconfirm podman']
    ],
    [
      'no podman on who knows what',
      {packageManager: undefined, programs: {podman: false, ociRuntime: true, newuidmap: true, mount: true}},
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
      'both, with GRUB: one mend of one text',
      {cgroupVersion: 1, memoryController: false, delegated: undefined, grub: GRUB},
      ['memory-controller: /etc/default/grub update-grub, reboot']
    ],
    [
      'GRUB’s words written and not yet made its own',
      {
        memoryController: false,
        grub: {...GRUB, text: 'GRUB_CMDLINE_LINUX="cgroup_enable=memory cgroup_memory=1"\n'}
      },
      ['memory-controller: update-grub, reboot']
    ],
    [
      'both, on Fedora',
      {cgroupVersion: 1, memoryController: false, delegated: undefined, grub: GRUB, grubby: true},
      [
        'memory-controller: grubby --update-kernel=ALL --args=cgroup_enable=memory cgroup_memory=1 systemd.unified_cgroup_hierarchy=1 --remove-args=cgroup_disable=memory systemd.unified_cgroup_hierarchy=0, reboot'
      ]
    ],
    [
      'version 1 asked for where GRUB reads it later',
      {
        cgroupVersion: 1,
        delegated: undefined,
        grub: {...GRUB, laterText: 'GRUB_CMDLINE_LINUX_DEFAULT="systemd.unified_cgroup_hierarchy=0"\n'}
      },
      ['unified-cgroups: by hand, reboot']
    ],
    [
      'controllers kept from users although the file is there',
      {
        delegated: ['memory', 'pids'],
        delegationFile: {
          path: '/etc/systemd/system/user@.service.d/50-creo-delegate.conf',
          text: '# Written by creo doctor --fix: functions of a user without root get limits that hold.\n[Service]\nDelegate=cpu cpuset io memory pids\n'
        }
      },
      ['delegation: systemctl daemon-reload, reboot']
    ],
    [
      'no user namespaces although the file is there',
      {
        userNamespaces: {unprivilegedClone: 0, namespacesMax: 15_000},
        namespacesFile: {path: '/etc/sysctl.d/60-creo-user-namespaces.conf', text: '# Mine.\nkernel.unprivileged_userns_clone = 1\n'}
      },
      ['user-namespaces: sysctl -p /etc/sysctl.d/60-creo-user-namespaces.conf, reboot']
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
    'GRUB_CMDLINE_LINUX="a" # note\n',
    'GRUB_CMDLINE_LINUX=""\nGRUB_CMDLINE_LINUX_DEFAULT="quiet cgroup_disable=memory"\n',
    "GRUB_CMDLINE_LINUX=''\nGRUB_CMDLINE_LINUX_DEFAULT='cgroup_disable=memory'\n"
  ])('in settings that a program can’t read for certain is left alone: %j', (text) => {
    expect(inGrubSettings(text, change)).toBeUndefined()
  })
})

test('grubby takes back only what the running kernel was not started with', () => {
  const [mend] = planMends({...GOOD, cgroupVersion: 1, delegated: undefined, grubby: true})
  expect(mend?.undoCommands).toEqual([
    ['grubby', '--update-kernel=ALL', '--args=systemd.unified_cgroup_hierarchy=0', '--remove-args=systemd.unified_cgroup_hierarchy=1']
  ])
})
