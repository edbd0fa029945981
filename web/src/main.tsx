import {render} from 'preact'
import './style/colours.css'
import './style/base.css'
import './style/parts.css'
import './style/picture.css'
import './style/forms.css'
import './style/pages.css'
import './style/market.css'
import {takeUp} from './account/act.ts'
import {session, startSession} from './account/session.ts'
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
startSession()
watch({account: session.get()?.account})
void takeUp()
addEventListener('online', () => {
  comeBack()
  void takeUp()
})
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') comeBack()
})
const place = document.querySelector('#page')
if (place !== null) render(<App />, place)
keepOffline()
