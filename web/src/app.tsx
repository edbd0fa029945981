import type {ComponentType} from 'preact'
import {line} from './data/live.ts'
import {Markets} from './pages/markets.tsx'
import {Lazy} from './parts/lazy.tsx'
import {Mark} from './parts/mark.tsx'
import {Notices} from './parts/notices.tsx'
import {route} from './route.ts'
import {useStore} from './store.ts'
import type {WordKey} from './words/en.ts'
import {useWords} from './words.ts'

type Page = ComponentType<{readonly rest: readonly string[]}>

/** The first page is here; each other one comes when it is asked for. */
const PAGES: Readonly<Record<string, () => Promise<Page>>> = {
  account: async () => (await import('./pages/account.tsx')).Account,
  earnings: async () => (await import('./pages/earnings.tsx')).Earnings,
  emission: async () => (await import('./pages/emission.tsx')).Emission,
  'for-app': async () => (await import('./pages/for-app.tsx')).ForApp,
  issuer: async () => (await import('./pages/issuer.tsx')).Issuer,
  market: async () => (await import('./pages/market.tsx')).Market,
  offers: async () => (await import('./pages/offers.tsx')).Offers,
  portfolio: async () => (await import('./pages/portfolio.tsx')).Portfolio,
  redemption: async () => (await import('./pages/redemption.tsx')).Redemption,
  settings: async () => (await import('./pages/settings.tsx')).Settings,
  swap: async () => (await import('./pages/swap.tsx')).Swap
}

const TABS: readonly {readonly page: string; readonly word: WordKey; readonly sign: string}[] = [
  {page: 'markets', word: 'nav.markets', sign: 'M3 17l5-6 4 3 8-9'},
  {page: 'offers', word: 'nav.offers', sign: 'M5 8h14l-1 12H6zM9 8a3 3 0 0 1 6 0'},
  {page: 'swap', word: 'nav.swap', sign: 'M4 8h14l-4-4M20 16H6l4 4'},
  {page: 'portfolio', word: 'nav.portfolio', sign: 'M4 7h16v12H4zM4 7l2-3h12l2 3M15 13h2'},
  {page: 'account', word: 'nav.account', sign: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c1-4 4-6 8-6s7 2 8 6'}
]

export function App() {
  const {t} = useWords()
  const {page, rest} = useStore(route)
  const load = Object.hasOwn(PAGES, page) ? PAGES[page] : undefined
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        {t('app.skip')}
      </button>
      <header class="top">
        <a class="brand" href="#/">
          <Mark />
          <span>{t('app.name')}</span>
        </a>
        <nav aria-label={t('nav.label')}>
          <ul class="tabs">
            {TABS.map((tab) => (
              <li key={tab.page}>
                <a href={`#/${tab.page === 'markets' ? '' : tab.page}`} aria-current={tab.page === page ? 'page' : undefined}>
                  <svg viewBox="0 0 24 24" aria-hidden="true">
                    <path d={tab.sign} />
                  </svg>
                  <span>{t(tab.word)}</span>
                </a>
              </li>
            ))}
          </ul>
        </nav>
      </header>
      <div>
        <Line />
        <Notices />
      </div>
      <main id="main" tabIndex={-1}>
        {page === 'markets' ? (
          <Markets />
        ) : load === undefined ? (
          <Missing />
        ) : (
          <Lazy key={`${page}/${rest.join('/')}`} load={load} rest={rest} />
        )}
      </main>
      <footer>
        <p>{t('foot.words')}</p>
        <p>{t('foot.units')}</p>
        <p class="foot-links">
          <a href="#/emission">{t('emission.title')}</a> <a href="#/settings">{t('nav.settings')}</a>
        </p>
      </footer>
    </>
  )
}

/** The state of the line, said only when it is not what it should be. */
function Line() {
  const {t} = useWords()
  const state = useStore(line)
  return (
    <p class={`line line-${state}`} role="status">
      {state === 'late' || state === 'lost' ? t(`line.${state}`) : ''}
    </p>
  )
}

function Missing() {
  const {t} = useWords()
  return (
    <section class="empty">
      <h1>{t('page.missing')}</h1>
      <a class="button" href="#/">
        {t('page.home')}
      </a>
    </section>
  )
}

/** No link: the fragment of the address says which page is shown. */
function skip(): void {
  document.querySelector<HTMLElement>('main')?.focus()
}
