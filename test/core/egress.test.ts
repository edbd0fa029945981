import {describe, expect, test} from 'vitest'
import {classifyAddress, decideEgress, firstForbiddenAddress} from '../../src/core/egress.ts'

const TABLE: readonly (readonly [address: string, kind: string])[] = [
  ['93.184.216.34', 'public'],
  ['1.1.1.1', 'public'],
  ['172.15.255.255', 'public'],
  ['172.16.0.0', 'private'],
  ['172.31.255.255', 'private'],
  ['172.32.0.0', 'public'],
  ['10.0.0.1', 'private'],
  ['192.168.1.1', 'private'],
  ['100.63.255.255', 'public'],
  ['100.64.0.1', 'shared'],
  ['100.127.255.255', 'shared'],
  ['127.0.0.1', 'loopback'],
  ['127.255.255.254', 'loopback'],
  ['0.0.0.0', 'unspecified'],
  ['169.254.169.254', 'link-local'],
  ['192.0.0.170', 'reserved'],
  ['198.18.0.1', 'reserved'],
  ['224.0.0.251', 'multicast'],
  ['255.255.255.255', 'reserved'],
  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['::ffff:7f00:1', 'loopback'],
  ['::ffff:10.0.0.1', 'private'],
  ['::ffff:93.184.216.34', 'public'],
  ['::127.0.0.1', 'loopback'],
  ['64:ff9b::10.0.0.1', 'private'],
  ['64:ff9b::5db8:d822', 'public'],
  ['64:ff9b:1::1', 'private'],
  ['2002:7f00:1::', 'loopback'],
  ['2002:c0a8:101::1', 'private'],
  ['fe80::1', 'link-local'],
  ['fe80::1%eth0', 'link-local'],
  ['fc00::1', 'private'],
  ['fdff:ffff::1', 'private'],
  ['fec0::1', 'private'],
  ['ff02::1', 'multicast'],
  ['2001::1', 'reserved'],
  ['2001:db8::1', 'reserved'],
  ['2606:2800:220:1:248:1893:25c8:1946', 'public'],
  ['2606:4700::', 'public'],
  ['4000::1', 'reserved'],
  ['0177.0.0.1', 'not_an_address'],
  ['0x7f000001', 'not_an_address'],
  ['127.1', 'not_an_address'],
  ['1:2:3:4:5:6:7', 'not_an_address'],
  ['1::2::3', 'not_an_address'],
  ['12345::', 'not_an_address'],
  ['example.org', 'not_an_address'],
  ['', 'not_an_address']
]

test.each(TABLE)('the address "%s" is %s', (address, kind) => {
  expect(classifyAddress(address)).toBe(kind)
})

describe('what a function may ask for', () => {
  const decide = (host: string, port: number, allowed: readonly string[] = ['coordinator.internal', 'api.example.org']) =>
    decideEgress({host, port}, allowed).to

  test('is the coordinator on port 80 and the hosts of its manifest', () => {
    expect(decide('coordinator.internal', 80)).toBe('coordinator')
    expect(decide('api.example.org', 443)).toBe('resolved')
    expect(decide('API.Example.ORG.', 8443)).toBe('resolved')
  })

  test('is never another port of the coordinator, another host, a mail port or a port that is none', () => {
    expect(decide('coordinator.internal', 443)).toBe('nowhere')
    expect(decide('example.org', 443)).toBe('nowhere')
    expect(decide('sub.api.example.org', 443)).toBe('nowhere')
    expect(decide('api.example.org', 25)).toBe('nowhere')
    expect(decide('api.example.org', 587)).toBe('nowhere')
    expect(decide('api.example.org', 0)).toBe('nowhere')
    expect(decide('api.example.org', 65_536)).toBe('nowhere')
    expect(decide('', 443, [''])).toBe('nowhere')
    expect(decide('coordinator.internal', 80, [])).toBe('nowhere')
  })

  test('is not a name of which one address is inside, though another is public', () => {
    expect(firstForbiddenAddress(['93.184.216.34'])).toBeUndefined()
    expect(firstForbiddenAddress(['93.184.216.34', '::ffff:192.168.0.1'])).toEqual({address: '::ffff:192.168.0.1', kind: 'private'})
  })
})

describe('a public address', () => {
  test.each([
    ['203.0.114.7', '203.0.114.200/24'],
    ['203.0.114.200', '203.0.114.200/32'],
    ['64:ff9b::cb00:7207', '203.0.114.200/24'],
    ['2a02:8070:1:2::5', '2a02:8070:1:2:aaaa::1/64'],
    ['2a02:8070:1:9::5', '2a02:8070:1:2:aaaa::1/64'],
    ['2a02:8070:1:9::5', '2a02:8070:1:2:aaaa::1/128']
  ])('%s in the network %s of this machine is forbidden', (address, network) => {
    expect(firstForbiddenAddress([address], ['127.0.0.1/8', network])).toEqual({address, kind: 'home-network'})
  })

  test('in another network is not', () => {
    const networks = ['203.0.114.200/24', '2a02:8070:1:2:aaaa::1/64', '::1/128', 'fe80::1/64']
    expect(firstForbiddenAddress(['203.0.115.7', '2a02:8070:2::5', '93.184.216.34'], networks)).toBeUndefined()
  })
})
