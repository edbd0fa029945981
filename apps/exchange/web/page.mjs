/** The pages as strings. Everything that comes from outside passes `text`. */

const LEVELS_SHOWN = 20
const TRADES_SHOWN = 20
const OFFERS_SHOWN = 10
const REFRESH_SECONDS = 5
const GUTTA_DECIMALS = 6
const ESCAPES = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;'}

/** `root` leads from the page to the app's own root, which on a developer's machine is not that of the host. */
export function renderHome(root, incentives, books) {
  const markets = books.map((book, position) => bookSection(root, incentives[position], book, 2)).join('')
  const more = incentives.slice(books.length).map((incentive) => `<li>${marketLink(root, incentive)}</li>`)
  const rest = more.length === 0 ? '' : `<h2>More markets</h2><ul>${more.join('')}</ul>`
  const none = incentives.length === 0 ? '<p>No organization has issued an incentive yet.</p>' : ''
  return page(root, 'Exchange', `<h1>Markets</h1>${none}${markets}${rest}`)
}

export function renderMarket(root, {incentive, book, trades, offers}) {
  const sections = `${bookSection(root, incentive, book, 1)}${offersSection(incentive, offers)}${tradesTable(incentive, trades)}`
  return page(root, incentive.id, `<p><a href="${root}">All markets</a></p>${sections}`)
}

export function renderError(root, message) {
  return page(root, 'Exchange', `<h1>Sorry</h1><p>${text(message)}</p><p><a href="${root}">All markets</a></p>`)
}

/** Gutta for one whole unit: a price is micro-gutta per lot. Exact to six decimals, the rest is cut off. */
export function pricePerUnit(priceMicroGutta, {lotMinor, decimals}) {
  return decimal((BigInt(priceMicroGutta) * 10n ** BigInt(decimals)) / BigInt(lotMinor), GUTTA_DECIMALS)
}

/** Lots as an amount of the incentive. */
export function amountOfLots(lots, {lotMinor, decimals}) {
  return decimal(BigInt(lots) * BigInt(lotMinor), decimals)
}

function bookSection(root, incentive, book, level) {
  const heading = `<h${level}>${level === 1 ? text(incentive.id) : marketLink(root, incentive)}</h${level}><p>${text(incentive.name)}</p>`
  const bids = sideTable({caption: 'Offers to buy', none: 'Nobody offers to buy.', levels: book.bids}, incentive)
  const asks = sideTable({caption: 'Offers to sell', none: 'Nobody offers to sell.', levels: book.asks}, incentive)
  const sides = `${bids}${asks}`
  const buys = level === 1 ? '' : `<p class="small"><a href="${text(`${root}market/${incentive.id}#buys`)}">What it buys</a></p>`
  return `<section>${heading}<div class="sides">${sides}</div><p class="small">${volume(incentive)}</p>${buys}</section>`
}

/** How much of what may be traded in 24 hours has been. */
function volume({tradeVolumeUsedMicroGutta: used, tradeVolumeLimitMicroGutta: limit}) {
  return `Traded in 24 hours: ${text(decimal(used, GUTTA_DECIMALS))} of at most ${text(decimal(limit, GUTTA_DECIMALS))} Gutta.`
}

function offersSection(incentive, offers) {
  const unit = incentive.id.split('/')[1]
  const items = offers.slice(0, OFFERS_SHOWN).map(({id, item, priceMinor, stock}) => {
    const price = `${decimal(priceMinor, incentive.decimals)} ${unit}`
    const how = stock > 0 ? `<code>creo redeem ${text(id)}</code>` : 'none left'
    return `<li>${text(item)} for ${text(price)}: ${how}</li>`
  })
  const more = offers.length > items.length ? `<p class="small">All of them: <code>creo offer list ${text(incentive.id)}</code></p>` : ''
  const list = items.length === 0 ? '<p>Nothing is offered just now.</p>' : `<ul>${items.join('')}</ul>`
  return `<section><h2 id="buys">What ${text(unit)} buys</h2>${list}${more}</section>`
}

function sideTable({caption, none, levels}, incentive) {
  const rows = levels.slice(0, LEVELS_SHOWN).map((level) => {
    return `<tr><td>${text(pricePerUnit(level.priceMicroGutta, incentive))}</td><td>${text(amountOfLots(level.lots, incentive))}</td></tr>`
  })
  const body = rows.length === 0 ? `<tr><td class="none" colspan="2">${none}</td></tr>` : rows.join('')
  return `<table><caption>${caption}</caption><thead><tr><th scope="col">Gutta each</th><th scope="col">Amount</th></tr></thead><tbody>${body}</tbody></table>`
}

function tradesTable(incentive, trades) {
  const rows = trades.slice(0, TRADES_SHOWN).map((trade) => {
    const price = text(pricePerUnit(trade.priceMicroGutta, incentive))
    return `<tr><td>${text(timeOf(trade.atMs))}</td><td>${price}</td><td>${text(amountOfLots(trade.lots, incentive))}</td></tr>`
  })
  const head = '<tr><th scope="col">Time (UTC)</th><th scope="col">Gutta each</th><th scope="col">Amount</th></tr>'
  const body = rows.length === 0 ? '<tr><td class="none" colspan="3">No trades yet.</td></tr>' : rows.join('')
  return `<section><table><caption>Last trades</caption><thead>${head}</thead><tbody>${body}</tbody></table></section>`
}

function marketLink(root, incentive) {
  return `<a href="${text(`${root}market/${incentive.id}`)}">${text(incentive.id)}</a>`
}

function page(root, title, main) {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="${REFRESH_SECONDS}"><title>${text(title)} · Creometry exchange</title><link rel="stylesheet" href="${root}style.css"></head>
<body><header><p>Creometry exchange</p></header><main>${main}</main><footer><p>Prices are in Gutta for one unit.</p></footer></body></html>
`
}

function timeOf(atMs) {
  const time = new Date(Number(atMs))
  return Number.isNaN(time.getTime()) ? '' : time.toISOString().slice(0, 19).replace('T', ' ')
}

function decimal(minor, decimals) {
  const digits = String(minor).padStart(decimals + 1, '0')
  const fraction = decimals === 0 ? '' : digits.slice(-decimals).replace(/0+$/, '')
  return digits.slice(0, digits.length - decimals) + (fraction === '' ? '' : `.${fraction}`)
}

function text(value) {
  return String(value).replace(/[&<>"']/g, (character) => ESCAPES[character])
}
