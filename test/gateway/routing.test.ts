import {describe, expect, it} from 'vitest'
import {indexRoutes, routeCall, routeRequest} from '../../src/core/routing.ts'

const index = indexRoutes(
  {
    apps: [
      {
        org: 'acme',
        app: 'shop',
        routes: [
          {path: '/', function: 'site'},
          {path: '/api', function: 'api'},
          {path: '/api/v2/', function: 'next'},
          {path: '/lost', function: 'gone'}
        ],
        functions: [
          {function: 'site', revision: 'rev_1'},
          {function: 'api', revision: 'rev_2'},
          {function: 'next', revision: 'rev_3', tags: [{tag: 'canary', revision: 'rev_6'}]},
          {
            function: 'split',
            revision: 'rev_8',
            traffic: [
              {revision: 'rev_7', percent: 5},
              {revision: 'rev_8', percent: 70},
              {revision: 'rev_9', percent: 25}
            ],
            tags: [{tag: 'canary', revision: 'rev_7'}]
          }
        ]
      },
      {org: 'acme', app: 'bare', routes: [{path: '/only', function: 'one'}], functions: [{function: 'one', revision: 'rev_4'}]}
    ]
  },
  ['apps.example']
)

describe('a call within an app', () => {
  const called = (app: string, name: string) => {
    const found = routeCall(index, {org: 'acme', app, function: name}, '/a?b', 0.1)
    return found && `${found.revision} ${found.target}`
  }
  it('goes to a function of that app alone, by its share of the traffic, whatever the routes of the app say', () => {
    expect([called('shop', 'api'), called('shop', 'split'), called('bare', 'one')]).toEqual(['rev_2 /a?b', 'rev_8 /a?b', 'rev_4 /a?b'])
    expect([called('shop', 'one'), called('bare', 'api'), called('none', 'api'), called('shop', 'gone')]).toEqual(
      new Array(4).fill(undefined)
    )
  })
})

describe('an address', () => {
  it.each([
    ['shop--acme.localhost', '/', 'rev_1 /'],
    ['shop--acme.localhost:7801', '/x?y=1', 'rev_1 /x?y=1'],
    ['Shop--Acme.Apps.Example.', '/', 'rev_1 /'],
    ['shop--acme.localhost', '/api', 'rev_2 /api'],
    ['shop--acme.localhost', '/api?x', 'rev_2 /api?x'],
    ['shop--acme.localhost', '/api/x', 'rev_2 /api/x'],
    ['shop--acme.localhost', '/apiary', 'rev_1 /apiary'],
    ['shop--acme.localhost', '/api/v2/x', 'rev_3 /api/v2/x'],
    ['shop--acme.localhost', '/api/v2', 'rev_2 /api/v2'],
    ['shop--acme.localhost', '/lost', 'nothing'],
    ['bare--acme.localhost', '/', 'nothing'],
    ['api--shop--acme.localhost', '/anything', 'rev_2 /anything'],
    ['none--shop--acme.localhost', '/', 'nothing'],
    ['tag--api--shop--acme.localhost', '/', 'nothing'],
    ['canary--next--shop--acme.localhost', '/x', 'rev_6 /x'],
    ['canary--next--shop--acme.apps.example', '/', 'rev_6 /'],
    ['canary--api--shop--acme.localhost', '/', 'nothing'],
    ['x--canary--next--shop--acme.localhost', '/', 'nothing'],
    ['127.0.0.1', '/@canary--next--shop--acme/z?q', 'rev_6 /z?q /@canary--next--shop--acme'],
    ['127.0.0.1', '/@nothing--next--shop--acme/', 'nothing'],
    ['shop--acme.other.example', '/', 'nothing'],
    ['shop--acme', '/', 'nothing'],
    ['localhost', '/', 'nothing'],
    ['localhost:7801', '/@shop--acme', 'rev_1 / /@shop--acme'],
    ['127.0.0.1', '/@shop--acme/api/x?y', 'rev_2 /api/x?y /@shop--acme'],
    ['[::1]:7801', '/@shop--acme?q', 'rev_1 /?q /@shop--acme'],
    ['127.0.0.1', '/@api--shop--acme/z', 'rev_2 /z /@api--shop--acme'],
    ['127.0.0.1', '/@shop--acmeX/', 'nothing'],
    ['apps.example', '/@shop--acme/', 'nothing'],
    ['', '/', 'nothing']
  ])('of %s with %s is %s', (host, target, expected) => {
    const found = routeRequest(index, host, target, 0)
    const text = found === undefined ? 'nothing' : [found.revision, found.target, ...(found.prefix === '' ? [] : [found.prefix])].join(' ')
    expect(text).toBe(expected)
  })
})

describe('a function whose traffic is shared', () => {
  it.each([
    [0, 'rev_7'],
    [0.0499, 'rev_7'],
    [0.05, 'rev_8'],
    [0.7499, 'rev_8'],
    [0.75, 'rev_9'],
    [0.9999, 'rev_9']
  ])('answers the number %f by %s', (random, revision) => {
    const found = routeRequest(index, 'split--shop--acme.localhost', '/', random)
    expect([found?.revision, found?.isPinned]).toEqual([revision, false])
  })

  it('answers its tag by one revision, whatever the number', () => {
    const found = [0, 0.5, 0.99].map((random) => routeRequest(index, 'canary--split--shop--acme.localhost', '/', random))
    expect(found.map((each) => [each?.revision, each?.isPinned])).toEqual(new Array(3).fill(['rev_7', true]))
  })
})

describe('a loopback address by itself', () => {
  const table = {
    apps: [{org: 'acme', app: 'shop', routes: [{path: '/', function: 'site'}], functions: [{function: 'site', revision: 'rev_1'}]}]
  }
  const asked = (local: string | undefined, host: string, target: string) => {
    const found = routeRequest(indexRoutes(table, [], local), host, target, 0)
    return found === undefined ? 'nothing' : `${found.revision} ${found.target} ${found.prefix}`.trim()
  }

  it.each([
    ['acme/shop', 'localhost:8080', '/x?y', 'rev_1 /x?y'],
    ['acme/shop', '127.0.0.1', '/@shop--acme/x', 'rev_1 /x /@shop--acme'],
    ['acme/shop', '127.0.0.1', '/@other--acme/x', 'nothing'],
    ['acme/shop', 'elsewhere.example', '/', 'nothing'],
    ['acme/other', 'localhost', '/', 'nothing'],
    [undefined, 'localhost', '/', 'nothing']
  ])('with %s as its app sends %s%s to %s', (local, host, target, expected) => {
    expect(asked(local, host, target)).toBe(expected)
  })
})
