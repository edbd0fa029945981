import {expect, it} from 'vitest'
import {isCreoError} from '../../src/core/errors.ts'
import {manifestOf} from '../../src/developer/read-manifest.ts'

const HEAD = `app: shop
org: colibris
routes:
  - path: /
    function: site
functions:
  site:
    source: ./site
`

/** What the file is refused with, or null when it is not. */
function refusal(text: string): string | null {
  try {
    manifestOf(text, 'creo.yaml')
    return null
  } catch (error) {
    if (isCreoError(error) && error.code === 'invalid_manifest') return error.message
    throw error
  }
}

/** A function with these lines below `source:`, whose first is the file's ninth. */
const withLines = (...lines: string[]): string => `${HEAD}${lines.map((line) => `    ${line}\n`).join('')}`
const paying = (line: string): string => withLines('rewards:', `  - ${line}`)

it.each<[string, string, string[]]>([
  // Keys.
  ['memroy: 128MiB', withLines('memroy: 128MiB'), ['9:5: functions.site.memroy: "memroy" is not known here; did you mean "memory"?']],
  [
    'a key like no other',
    withLines('colour: red'),
    [
      '9:5: functions.site.colour: "colour" is not known here; known are source, image, containerfile, base, command, port, memory, cpu, concurrency, timeout, scale, env, egress, calls, health, architectures, secrets, cron, owners, ownerShareMax, assets, rewards'
    ]
  ],
  ['a misspelt key at the top', `${HEAD}rutes: []\n`, ['9:1: rutes: "rutes" is not known here; did you mean "routes"?']],
  [
    'a misspelt key of scale',
    withLines('scale: {min: 1, maxx: 2}'),
    ['9:21: functions.site.scale.maxx: "maxx" is not known here; did you mean "max"?']
  ],
  [
    'a misspelt key of a reward',
    paying('{incentive: colibris/LEAF, perMilion: {}, dailyBudget: 5}'),
    ['10:36: functions.site.rewards.0.perMilion: "perMilion" is not known here; did you mean "perMillion"?']
  ],
  [
    'a misspelt key of cron',
    withLines('cron:', '  - {shedule: "* * * * *", path: /}'),
    ['10:10: functions.site.cron.0.shedule: "shedule" is not known here; did you mean "schedule"?']
  ],
  ['no org', HEAD.replace('org: colibris\n', ''), ['1:1: org: is missing']],
  ['a key twice', `${HEAD}app: shop\n`, ['9:1: is not YAML: Map keys must be unique']],
  // Values.
  [
    'a name in capitals',
    HEAD.replace('app: shop', 'app: Shop'),
    ['1:1: app: must be lower-case letters, digits and single hyphens, starting with a letter']
  ],
  ['a name of one letter', HEAD.replace('app: shop', 'app: s'), ['1:1: app: must have at least 2 letters']],
  ['a name that is a number', HEAD.replace('app: shop', 'app: 12'), ['1:1: app: must be text, not a number']],
  ['an empty org', HEAD.replace('org: colibris', 'org:'), ['2:1: org: must be text, not empty']],
  [
    'a function with a bad name',
    HEAD.replace('  site:', '  My_Site:'),
    ['7:3: functions.My_Site: "My_Site" must be lower-case letters, digits and single hyphens, starting with a letter']
  ],
  ['routes that are no list', HEAD.replace(/routes:[\s\S]*function: site/, 'routes: /'), ['3:1: routes: must be a list, not text']],
  ['no routes', HEAD.replace(/routes:[\s\S]*function: site/, 'routes: []'), ['3:1: routes: must have at least 1 entry']],
  ['no functions', HEAD.replace(/functions:[\s\S]*/, 'functions: {}\n'), ['6:1: functions: must be 1 to 64 functions']],
  ['a route that does not start with /', HEAD.replace('path: /', 'path: api'), ['4:5: routes.0.path: must be a path that starts with /']],
  [
    'a route to no function',
    HEAD.replace('function: site', 'function: sitte'),
    ['5:5: routes.0.function: "sitte" is no function here; did you mean "site"?']
  ],
  [
    'a size that is none',
    withLines('memory: lots'),
    ['9:5: functions.site.memory: "lots" is not a size. Write for example 256MiB or 2GiB.']
  ],
  ['too little memory', withLines('memory: 1MiB'), ['9:5: functions.site.memory: must be from 16MiB to 64GiB']],
  [
    'a cpu that is none',
    withLines('cpu: fast'),
    ['9:5: functions.site.cpu: "fast" is not an amount. Write digits with at most six decimals, for example 12.5.']
  ],
  ['too much cpu', withLines('cpu: 1000'), ['9:5: functions.site.cpu: must be from 0.01 to 64']],
  [
    'a duration that is none',
    withLines('timeout: 5 years'),
    ['9:5: functions.site.timeout: "5 years" is not a duration. Write for example 30s or 5m.']
  ],
  ['too long a timeout', withLines('timeout: 2h'), ['9:5: functions.site.timeout: must be from 100ms to 1h']],
  ['a port as text', withLines('port: "8080"'), ['9:5: functions.site.port: must be a number, not text']],
  ['a port that is none', withLines('port: 70000'), ['9:5: functions.site.port: must be at most 65535']],
  ['a scale upside down', withLines('scale: {min: 3, max: 1}'), ['9:5: functions.site.scale: max must not be below min']],
  [
    'a base that is none',
    withLines('base: nod'),
    ['9:5: functions.site.base: must be node, python, static or scratch, or name an image; did you mean "node"?']
  ],
  [
    'a processor that is none',
    withLines('architectures: [arm46]'),
    ['9:21: functions.site.architectures.0: must be amd64 or arm64; did you mean "arm64"?']
  ],
  ['no processor at all', withLines('architectures: []'), ['9:5: functions.site.architectures: must have at least 1 entry']],
  ['an env that is a list', withLines('env: [A=1]'), ['9:5: functions.site.env: must be a set of keys, not a list']],
  [
    'a variable with a bad name',
    withLines('env: {my-name: 1}'),
    ['9:11: functions.site.env.my-name: "my-name" must be the name of a variable: up to 64 letters, digits and _']
  ],
  [
    'a secret with a bad name',
    withLines('secrets: [my key]'),
    ['9:15: functions.site.secrets.0: must be the name of a variable: up to 64 letters, digits and _']
  ],
  [
    'a secret that is in env',
    withLines('env: {KEY: 1}', 'secrets: [KEY]'),
    ['10:5: functions.site.secrets: KEY is in env as well: it can have one value']
  ],
  ['a secret twice', withLines('secrets: [KEY, KEY]'), ['9:5: functions.site.secrets: names a secret twice']],
  ['a health path that is none', withLines('health: ready'), ['9:5: functions.site.health: must be a path that starts with /']],
  [
    'a schedule that is none',
    withLines('cron: [{schedule: "61 * * * *", path: /}]'),
    ['9:13: functions.site.cron.0.schedule: "61" is not a minute: write 0 to 59, *, a range a-b, or a step */n']
  ],
  [
    'a time zone that is none',
    withLines('cron: [{schedule: "* * * * *", path: /, timezone: Mars/Base}]'),
    ['9:45: functions.site.cron.0.timezone: is no time zone that is known here; write one such as Africa/Nairobi']
  ],
  [
    'a method that is none',
    withLines('cron: [{schedule: "* * * * *", path: /, method: PSOT}]'),
    ['9:45: functions.site.cron.0.method: must be GET, POST, PUT, PATCH or DELETE; did you mean "POST"?']
  ],
  ['a share above 100', withLines('ownerShareMax: 120'), ['9:5: functions.site.ownerShareMax: must be at most 100']],
  ['nobody who may run it', withLines('owners: []'), ['9:5: functions.site.owners: must have at least 1 entry']],
  [
    'a call of no function',
    withLines('calls: [sitte]'),
    ['9:13: functions.site.calls.0: "sitte" is no function here; did you mean "site"?']
  ],
  ['a function called twice', withLines('calls: [site, site]'), ['9:5: functions.site.calls: names a function twice']],
  [
    'a port where calls go',
    withLines('calls: [site]', 'port: 80'),
    ['10:5: functions.site.port: must not be 80: there it finds the functions that it calls']
  ],
  [
    'a name that means two things',
    withLines('calls: [site]', 'egress: [site.internal]'),
    ['9:13: functions.site.calls.0: site.internal is among its egress as well: it can mean one of them']
  ],
  [
    'an incentive without its org',
    paying('{incentive: LEAF, perMillion: {}, dailyBudget: 5}'),
    ['10:10: functions.site.rewards.0.incentive: must look like org/CODE']
  ],
  [
    'a rate that is none',
    paying('{incentive: colibris/LEAF, perMillion: {requests: much}, dailyBudget: 5}'),
    ['10:49: functions.site.rewards.0.perMillion.requests: must be an amount such as "0.5"']
  ],
  [
    'a rate below zero',
    paying('{incentive: colibris/LEAF, perMillion: {requests: -1}, dailyBudget: 5}'),
    ['10:49: functions.site.rewards.0.perMillion.requests: must be an amount such as "0.5"']
  ],
  [
    'a budget of nothing',
    paying('{incentive: colibris/LEAF, perMillion: {}, dailyBudget: 0}'),
    ['10:52: functions.site.rewards.0.dailyBudget: must be above zero']
  ],
  [
    'a reward without a budget',
    paying('{incentive: colibris/LEAF, perMillion: {requests: 1}}'),
    ['10:9: functions.site.rewards.0.dailyBudget: is missing']
  ],
  ['both source and image', withLines('image: sha256:00'), ['8:5: functions.site.source: give either source or image']],
  // The file.
  ['an empty file', '', ['1:1: must be a set of keys, not empty']],
  ['a list', '- app: shop\n', ['1:1: must be a set of keys, not a list']],
  [
    'what is not YAML',
    withLines('env: {A: ['),
    ['10:1: is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]']
  ],
  ['a tab', HEAD.replace('  site:', '\tsite:'), ['7:1: is not YAML: Tabs are not allowed as indentation']],
  ['two documents', `${HEAD}---\n${HEAD}`, ['9:1: holds more than one document: keep one']],
  [
    'what a misspelt key hides: a second one, what its set has wrong, and what is wrong in it',
    withLines('memroy: 128MiB', 'prot: 8080', 'image: sha256:00')
      .replace('function: site', 'funktion: sitte')
      .replace('source:', 'suorce:'),
    [
      '5:5: routes.0.funktion: "funktion" is not known here; did you mean "function"?',
      '8:5: functions.site.suorce: "suorce" is not known here; did you mean "source"?',
      '9:5: functions.site.memroy: "memroy" is not known here; did you mean "memory"?',
      '10:5: functions.site.prot: "prot" is not known here; did you mean "port"?'
    ]
  ],
  [
    'a route to no function beside an unknown key',
    `${HEAD.replace('function: site', 'function: sitte')}rutes: []\n`,
    [
      '5:5: routes.0.function: "sitte" is no function here; did you mean "site"?',
      '9:1: rutes: "rutes" is not known here; did you mean "routes"?'
    ]
  ],
  [
    'several mistakes, in the order of the file',
    withLines('port: x', 'memory: 1').replace('org: colibris', 'org: X'),
    [
      '2:1: org: must be lower-case letters, digits and single hyphens, starting with a letter',
      '9:5: functions.site.port: must be a number, not text',
      '10:5: functions.site.memory: must be a size such as 128MiB'
    ]
  ]
])('refuses %s in exact words, with where it stands', (_what, text, words) => {
  expect(refusal(text)).toEqual(words.map((line) => `creo.yaml:${line}`).join('\n'))
})

it('tells a program each problem in fields', () => {
  try {
    manifestOf(withLines('memroy: 128MiB', 'port: x'), 'creo.yaml')
  } catch (error) {
    expect(isCreoError(error) && error.beside).toEqual({
      problems: [
        {line: 9, column: 5, message: 'functions.site.memroy: "memroy" is not known here; did you mean "memory"?', nearest: 'memory'},
        {line: 10, column: 5, message: 'functions.site.port: must be a number, not text'}
      ]
    })
  }
  expect.assertions(1)
})

it('shows what stands in the file on one line, whatever it is', () => {
  expect(refusal('"\\e[2J": 1\n')).toContain('creo.yaml:1:1: "\\u001b[2J": "\ufffd[2J" is not known here')
  expect(refusal(withLines(`memory: ${'9'.repeat(5000)}`))?.length).toBeLessThan(700)
})
