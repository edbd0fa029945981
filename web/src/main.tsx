import './without-eval.ts'
import {render} from 'preact'
import './style/colours.css'
import './style/base.css'
import './style/parts.css'
import './style/pages.css'
import {App} from './app.tsx'
import {comeBack, watch} from './data/live.ts'
import {keepOffline} from './offline.ts'
import {followRoute} from './route.ts'
import {startTheme} from './theme.ts'
import {startWords} from './words.ts'

startTheme()
await startWords()
followRoute(() => {
  scrollTo(0, 0)
  document.querySelector<HTMLElement>('main')?.focus({preventScroll: true})
})
watch({})
addEventListener('online', comeBack)
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') comeBack()
})
const place = document.querySelector('#page')
if (place !== null) render(<App />, place)
keepOffline()
