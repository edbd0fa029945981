/** English and French; another language is another column. */
const WORDS = {
  signIn: ['Sign in with creo', 'Se connecter avec creo'],
  signOut: ['Sign out', 'Se déconnecter'],
  signInFirst: ['Sign in to pay.', 'Connectez-vous pour payer.'],
  offers: ['What LEAF buys', 'Ce que LEAF achète'],
  left: ['{0} left', 'il en reste {0}'],
  none: ['None left', 'Épuisé'],
  pay: ['Pay {0}', 'Payer {0}'],
  have: ['You have {0}.', 'Vous avez {0}.'],
  mine: ['What you paid for', 'Ce que vous avez payé'],
  held: ['Waits for you at the counter', 'Vous attend au comptoir'],
  captured: ['Handed over', 'Remis'],
  released: ['Given back', 'Rendu'],
  show: ['Show the code', 'Montrer le code'],
  counter: ['To hand over', 'À remettre'],
  nothing: ['Nothing waits.', 'Rien n’attend.'],
  code: ['The customer’s code', 'Le code du client'],
  handOver: ['Hand over', 'Remettre'],
  told: ['What the network told us', 'Ce que le réseau nous a dit'],
  hello: ['Welcome, {0}.', 'Bienvenue, {0}.'],
  paid: ['Paid: {0}. Show its code at the counter.', 'Payé : {0}. Montrez son code au comptoir.'],
  handed: ['{0} is handed over.', '{0} est remis.'],
  no: ['Nothing was done.', 'Rien n’a été fait.'],
  'redemption.requested': ['{0} was paid for', '{0} a été payé'],
  'redemption.captured': ['{0} was handed over', '{0} a été remis'],
  'redemption.released': ['{0} was given back', '{0} a été rendu'],
  'redemption.expired': ['{0} has expired', '{0} a expiré'],
  'webhook.test': ['a test', 'un essai']
}
const column = navigator.language.startsWith('fr') ? 1 : 0
document.documentElement.lang = ['en', 'fr'][column]

export function say(key, ...values) {
  return (WORDS[key]?.[column] ?? key).replace(/\{(\d)\}/g, (_, place) => values[place])
}

/** Minor units as people write them. */
export function amount(minor, {decimals, code}) {
  const digits = String(minor).padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const rest = digits.slice(digits.length - decimals).replace(/0+$/, '')
  return `${BigInt(whole).toLocaleString(document.documentElement.lang)}${rest && (column === 1 ? ',' : '.')}${rest} ${code}`
}

export function time(ms) {
  return new Date(ms).toLocaleString(document.documentElement.lang, {timeStyle: 'short', dateStyle: 'short'})
}
