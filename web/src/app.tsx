import type {ComponentType} from 'preact'
import {line} from './data/live.ts'
import {Markets} from './pages/markets.tsx'
import {Lazy} from './parts/lazy.tsx'
import {Mark} from './parts/mark.tsx'
import {route} from './route.ts'
import {useStore} from './store.ts'
import type {WordKey} from './words/en.ts'
import {useWords} from './words.ts'

type Page = ComponentType<{readonly rest: readonly string[]}>

/** The first page is here; each other one comes when it is asked for. */
const PAGES: Readonly<Record<string, () => Promise<Page>>> = {
  settings: async () => (await import('./pages/settings.tsx')).Settings
}

const TABS: readonly {readonly page: string; readonly word: WordKey; readonly sign: string}[] = [
  {page: 'markets', word: 'nav.markets', sign: 'M3 17l5-6 4 3 8-9'},
  {page: 'settings', word: 'nav.settings', sign: 'M4 7h9m4 0h3M4 17h3m4 0h9M15 4v6M9 14v6'}
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
      <Line />
      <main id="main" tabIndex={-1}>
        {page === 'markets' ? <Markets /> : load === undefined ? <Missing /> : <Lazy key={page} load={load} rest={rest} />}
      </main>
      <footer>
        <p>{t('foot.words')}</p>
        <p>{t('foot.units')}</p>
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
