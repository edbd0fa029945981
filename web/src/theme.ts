import {recall, remember} from './remember.ts'
import {createStore} from './store.ts'

export const THEMES = ['auto', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const KEY = 'theme'

export const theme = createStore<Theme>('auto')

export function startTheme(): void {
  const chosen = THEMES.find((known) => known === recall(KEY)) ?? 'auto'
  show(chosen)
}

export function chooseTheme(chosen: Theme): void {
  remember(KEY, chosen === 'auto' ? undefined : chosen)
  show(chosen)
}

function show(chosen: Theme): void {
  if (chosen === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
  theme.set(chosen)
}
