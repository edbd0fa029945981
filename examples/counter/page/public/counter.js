/** The counter's page: who is there, what LEAF buys, what was paid for, and, for the shopkeeper, what to hand over. Keys stay at the exchange. */
import {answerOfAsk, askHref, redemptionOfCode} from './client.js'
import {amount, say, time} from './words.js'

const READ_EVERY_MS = 3_000
const ASKED = 'counter.asked'
const SESSION = 'counter.session'
const here = location.origin + location.pathname
let shop

async function api(path, init = {}) {
  const session = JSON.parse(sessionStorage.getItem(SESSION))
  const headers = {...init.headers, ...(session && {authorization: `Bearer ${session.token}`})}
  const answer = await fetch(`api/${path}`, {...init, headers, signal: AbortSignal.timeout(30_000)})
  const body = await answer.json()
  if (answer.ok) return body
  if (answer.status === 401) sessionStorage.removeItem(SESSION)
  throw Object.assign(new Error(body.error?.message ?? answer.statusText), {code: body.error?.code})
}

/** Sends the visitor to the exchange, whose page has the key; what is asked is remembered until the answer comes. */
function ask(what) {
  const made = {...what, state: crypto.randomUUID(), back: here}
  sessionStorage.setItem(ASKED, JSON.stringify(made))
  location.assign(askHref(shop.exchange, made))
}

async function takeAnswer() {
  const asked = JSON.parse(sessionStorage.getItem(ASKED))
  const result = answerOfAsk(location.hash, asked?.state)
  if (result === undefined) return undefined
  sessionStorage.removeItem(ASKED)
  history.replaceState(null, '', here)
  if (result === null) return say('no')
  if (asked.ask === 'sign-in') {
    const session = await api('session', {method: 'POST', body: JSON.stringify(result)})
    sessionStorage.setItem(SESSION, JSON.stringify(session))
    return say('hello', session.name)
  }
  return say(asked.ask === 'redeem' ? 'paid' : 'handed', result.redemption)
}

/** Text goes in as text: what an issuer or a customer wrote is never markup. */
function element(tag, content, {on, ...attributes} = {}) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined && value !== false) made.setAttribute(name, value)
  if (on) made.addEventListener(tag === 'form' ? 'submit' : 'click', on)
  made.append(...[content].flat().filter((part) => part !== undefined))
  return made
}

function button(text, on, {disabled = false, plain = false} = {}) {
  return element('button', text, {type: 'button', on, disabled: disabled && '', class: plain ? undefined : 'main'})
}

function offerCard(offer, session, mine) {
  const {id, item, priceMinor, stock} = offer
  const isShort = mine !== undefined && BigInt(mine.availableMinor) < BigInt(priceMinor)
  const pay = () => ask({ask: 'redeem', incentive: shop.incentive, offer: id, quantity: 1})
  return element('li', [
    element('h3', element('bdi', item)),
    element('p', stock > 0 ? say('left', stock) : say('none'), {class: 'faint'}),
    button(say('pay', amount(priceMinor, shop)), pay, {disabled: session === null || stock === 0 || isShort})
  ])
}

function paidCard({id, offer, status, requestedAtMs}) {
  const item = shop.offers.find((one) => one.id === offer)?.item ?? offer
  const code = element('a', say('show'), {href: `${shop.exchange}#/redemption/${id}`, class: 'button'})
  return element('li', [
    element('h3', element('bdi', item)),
    element('p', `${id} · ${time(requestedAtMs)}`, {class: 'faint'}),
    element('p', say(status)),
    status === 'held' ? code : undefined
  ])
}

function codeForm(waiting) {
  const input = element('input', [], {name: 'code', required: '', autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false'})
  const on = async (event) => {
    event.preventDefault()
    try {
      ask({ask: 'capture', redemption: await redemptionOfCode(shop.network, input.value, waiting)})
    } catch (error) {
      tell(error)
    }
  }
  return element('form', [element('label', [say('code'), input]), element('button', say('handOver'), {class: 'main'})], {on})
}

function waitingCard({id, offer, quantity, requestedAtMs}) {
  const item = shop.offers.find((one) => one.id === offer)?.item ?? offer
  return element('li', [
    element('h3', [`${quantity} × `, element('bdi', item)]),
    element('p', `${id} · ${time(requestedAtMs)}`, {class: 'faint'}),
    button(say('handOver'), () => ask({ask: 'capture', redemption: id}), {plain: true})
  ])
}

function toldLine({type, atMs, redemption}) {
  return element('li', [element('p', say(type, redemption?.id)), element('p', time(atMs), {class: 'faint'})])
}

async function draw() {
  shop = await api('')
  const session = JSON.parse(sessionStorage.getItem(SESSION))
  const mine = session === null ? undefined : await api('mine')
  const counter = session?.isKeeper ? await api('waiting') : undefined
  // Who types is not interrupted.
  if (document.activeElement?.tagName === 'INPUT' && document.activeElement.value !== '') return
  const who = document.querySelector('#who')
  const signOut = () => {
    sessionStorage.removeItem(SESSION)
    void show()
  }
  who.replaceChildren(
    ...(session === null
      ? [button(say('signIn'), async () => ask({ask: 'sign-in', challenge: await api('challenge')}))]
      : [
          element('span', [element('strong', session.name), ` · ${say('have', amount(mine.availableMinor, shop))}`]),
          button(say('signOut'), signOut, {plain: true})
        ])
  )
  const parts = []
  if (counter !== undefined) {
    parts.push(element('h2', say('counter')), codeForm(counter.waiting))
    parts.push(
      counter.waiting.length > 0 ? element('ul', counter.waiting.map(waitingCard)) : element('p', say('nothing'), {class: 'faint'})
    )
    if (counter.told.length > 0) parts.push(element('h2', say('told')), element('ul', counter.told.map(toldLine)))
  }
  parts.push(element('h2', say('offers')))
  if (session === null) parts.push(element('p', say('signInFirst'), {class: 'faint'}))
  parts.push(
    element(
      'ul',
      shop.offers.map((offer) => offerCard(offer, session, mine))
    )
  )
  if (mine?.redemptions.length > 0) parts.push(element('h2', say('mine')), element('ul', mine.redemptions.map(paidCard)))
  const drawn = JSON.stringify([shop, session?.token, mine, counter])
  const main = document.querySelector('#main')
  // What did not change is left as it is, with where the reader is in it.
  if (main.dataset.drawn !== drawn) main.replaceChildren(...parts)
  main.dataset.drawn = drawn
}

async function show() {
  try {
    await draw()
  } catch (error) {
    tell(error)
  }
}

function tell(said) {
  const line = document.querySelector('#said')
  const isWrong = said instanceof Error
  line.className = isWrong ? 'wrong' : ''
  line.textContent = isWrong ? said.message : said
}

try {
  const said = await takeAnswer()
  if (said !== undefined) tell(said)
} catch (error) {
  tell(error)
}
await show()
setInterval(() => {
  if (!document.hidden) void show()
}, READ_EVERY_MS)
