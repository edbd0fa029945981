const DATA = '/operator/data'
const EVENTS = '/v1/events?topic=groups,nodes,leases,apps'
/** Looks are at least so far apart, and at most so far. */
const LOOK_LEAST_MS = 2000
const LOOK_MOST_MS = 30_000
const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1]
]
const STATES = {there: 'good', draining: 'care', lost: 'bad', silent: 'soft'}

const $ = (id) => document.getElementById(id)

/** What others have written becomes text and nothing else: no markup is ever made of it. */
function element(tag, {text, ...attributes} = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value)
  if (text !== undefined) made.textContent = text
  made.append(...children)
  return made
}

function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const [unit, length] = UNITS.find(([, one]) => seconds >= one) ?? ['s', 1]
  return `${Math.floor(seconds / length)} ${unit}`
}

const ago = (atMs, nowMs) => (atMs === null ? 'not heard since the start' : `${span(nowMs - atMs)} ago`)

/** Minor units, a string of digits, as people write the amount. */
function amount(minor, decimals) {
  const digits = minor.padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, '\u202f')
  return decimals === 0 ? whole : `${whole}.${digits.slice(-decimals)}`
}

/** @param columns [title, cell of a row, class of the cell] */
function table(rows, columns, empty) {
  if (rows.length === 0) return element('p', {class: 'empty', text: empty})
  const head = columns.map(([title, , kind]) => element('th', {text: title, scope: 'col', class: kind}))
  const body = rows.map((row) =>
    element(
      'tr',
      {},
      ...columns.map(([title, cell, kind]) => element('td', {'data-label': title, class: kind}, element('span', {}, cell(row))))
    )
  )
  return element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...body))
}

function show(id, rows, columns, {empty, total = rows.length} = {}) {
  const more = total > rows.length ? [element('p', {class: 'soft', text: `${total - rows.length} more are not shown.`})] : []
  $(id).replaceChildren(table(rows, columns, empty), ...more)
}

const plain = (text) => element('bdi', {text: String(text)})
const code = (text) => element('code', {text, title: text})

function withNote(first, note) {
  return element('span', {}, first, ...(note === undefined || note === '' ? [] : [element('small', {}, plain(note))]))
}

function tile(title, value, note, kind) {
  return element(
    'div',
    {},
    element('dt', {text: title}),
    element('dd', {text: value, class: kind}),
    element('dd', {class: 'soft', text: note})
  )
}

function showSummary({nodes, functions, pools, errors}) {
  const {there = 0, draining = 0, lost = 0, silent = 0} = nodes.states
  const others = [`${draining} draining`, `${lost} lost`, `${silent} silent`].filter((text) => !text.startsWith('0 '))
  const lacking = functions.wanted - functions.held
  const [first] = pools.rows
  const total = [...errors.api, ...errors.registry].reduce((sum, {count}) => sum + count, 0)
  $('summary').replaceChildren(
    tile('Nodes', String(there), others.join(', ') || 'all that are known', lost > 0 ? 'bad' : undefined),
    tile(
      'Leases',
      `${functions.held} of ${functions.wanted}`,
      lacking > 0 ? `${lacking} wanted` : 'all that are wanted',
      lacking > 0 ? 'care' : undefined
    ),
    tile('Functions', String(functions.total), 'with traffic or a tag'),
    tile(
      'First pool to end',
      first?.daysLeft == null ? '–' : `${first.daysLeft} d`,
      first?.daysLeft == null ? 'no traffic' : first.incentive,
      first?.daysLeft != null && first.daysLeft < 3 ? 'bad' : undefined
    ),
    tile('Errors', String(total), 'since the start')
  )
}

function showFunctions({functions, atMs}) {
  const failure = ({lastFailure: last}) =>
    last === null
      ? element('span', {class: 'soft', text: 'none'})
      : withNote(element('span', {class: 'bad', text: `${last.reason}, ${ago(last.atMs, atMs)}`}), last.line)
  const leases = ({held, wanted}) =>
    element('span', {text: `${held} of ${wanted}`, class: held === 0 ? 'bad' : held < wanted ? 'care' : undefined})
  const columns = [
    ['Function', ({function: name, revision}) => withNote(plain(name), revision)],
    ['Leases', leases, 'number'],
    ['Instances', ({instances}) => plain(instances), 'number'],
    ['Last failure', failure]
  ]
  show('functions', functions.rows, columns, {empty: 'Nothing is deployed yet: creo deploy'})
}

function showNodes({nodes, atMs}) {
  const total = Object.values(nodes.states).reduce((sum, count) => sum + count, 0)
  const columns = [
    ['Node', ({name, id}) => withNote(plain(name), id)],
    ['State', ({state, noWorkReason}) => withNote(element('span', {text: state, class: STATES[state]}), noWorkReason ?? undefined)],
    ['Last seen', ({lastSeenMs}) => plain(ago(lastSeenMs, atMs))],
    ['Leases', ({leases}) => plain(leases), 'number'],
    ['Instances', ({instances}) => plain(instances), 'number'],
    ['Version', ({version}) => plain(version ?? '–')]
  ]
  show('nodes', nodes.rows, columns, {empty: 'No machine has enrolled yet: creo node token', total})
}

function showPools({pools}) {
  const money = (field) => (pool) => plain(amount(pool[field], pool.decimals))
  const days = ({daysLeft}) =>
    element('span', {
      text: daysLeft === null ? 'no traffic' : `${daysLeft} days`,
      class: daysLeft === null ? 'soft' : daysLeft < 3 ? 'bad' : undefined
    })
  const columns = [
    ['Incentive', ({incentive}) => plain(incentive)],
    ['Left', money('poolMinor'), 'number'],
    ['Reserved', money('reservedMinor'), 'number'],
    ['Paid in a day', money('paidLastDayMinor'), 'number'],
    ['Lasts', days, 'number']
  ]
  show('pools', pools.rows, columns, {empty: 'Nothing that is deployed pays anything.', total: pools.total})
}

function showErrors({errors}) {
  const rows = [...errors.api.map((row) => ({...row, by: 'API'})), ...errors.registry.map((row) => ({...row, by: 'registry'}))]
  const columns = [
    ['Code', (row) => code(row.code)],
    ['Answered by', ({by}) => plain(by)],
    ['Count', ({count}) => plain(count), 'number']
  ]
  show('errors', rows, columns, {empty: 'None.'})
}

function showGroups({groups, atMs}) {
  const columns = [
    ['Sequence', ({firstSeq, lastSeq}) => plain(firstSeq === lastSeq ? firstSeq : `${firstSeq} to ${lastSeq}`)],
    [
      'Committed',
      ({atMs: committed}) =>
        element('time', {datetime: new Date(committed).toISOString(), title: new Date(committed).toISOString(), text: ago(committed, atMs)})
    ],
    ['Commands', ({firstSeq, lastSeq}) => plain(lastSeq - firstSeq + 1), 'number'],
    ['Digest', ({hash}) => code(hash)]
  ]
  show('groups', groups, columns, {empty: 'Nothing has been committed yet.'})
}

function render(view) {
  $('network').textContent = view.network
  document.title = `${view.network} · creo`
  for (const part of [showSummary, showFunctions, showNodes, showPools, showErrors, showGroups]) part(view)
  $('about').textContent = `creo ${view.version}, up for ${span(view.atMs - view.startedAtMs)}, ledger at ${view.sequence}.`
}

function say(state, text) {
  if ($('live').textContent === text) return
  $('live').dataset.state = state
  $('live').textContent = text
}

let timer
let dueAtMs = Number.POSITIVE_INFINITY
let lookedAtMs = Number.NEGATIVE_INFINITY

function lookWithin(delayMs) {
  const atMs = Math.max(performance.now() + delayMs, lookedAtMs + LOOK_LEAST_MS)
  if (atMs >= dueAtMs) return
  clearTimeout(timer)
  dueAtMs = atMs
  timer = setTimeout(look, atMs - performance.now())
}

async function look() {
  dueAtMs = Number.POSITIVE_INFINITY
  lookedAtMs = performance.now()
  try {
    const answer = await fetch(DATA, {signal: AbortSignal.timeout(LOOK_MOST_MS)})
    if (!answer.ok) throw new Error(`answered ${answer.status}`)
    render(await answer.json())
    if (events.readyState === EventSource.OPEN) say('live', 'Live')
  } catch {
    say('lost', 'The coordinator does not answer. What is shown may be old.')
  }
  lookWithin(LOOK_MOST_MS)
}

const events = new EventSource(EVENTS)
for (const name of ['open', 'reset', 'group', 'node', 'lease', 'app']) events.addEventListener(name, () => lookWithin(0))
events.addEventListener('open', () => say('live', 'Live'))
events.addEventListener('error', () => {
  say('lost', 'The coordinator does not answer. What is shown may be old.')
  // A browser gives up for good when it is refused.
  if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), LOOK_MOST_MS)
})
lookWithin(0)
