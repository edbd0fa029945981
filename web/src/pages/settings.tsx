import {useStore} from '../store.ts'
import {chooseTheme, THEMES, theme} from '../theme.ts'
import {LANGUAGES} from '../words/languages.ts'
import {chooseLanguage, useWords} from '../words.ts'

export function Settings() {
  const {t, language} = useWords()
  const shown = useStore(theme)
  return (
    <section>
      <h1>{t('settings.title')}</h1>
      <fieldset class="choice">
        <legend>{t('settings.language')}</legend>
        {Object.entries(LANGUAGES).map(([code, {name}]) => (
          <label key={code} lang={code}>
            <input type="radio" name="language" checked={code === language.split('-')[0]} onChange={() => void chooseLanguage(code)} />
            {name}
          </label>
        ))}
      </fieldset>
      <fieldset class="choice">
        <legend>{t('settings.theme')}</legend>
        {THEMES.map((name) => (
          <label key={name}>
            <input type="radio" name="theme" checked={name === shown} onChange={() => chooseTheme(name)} />
            {t(`theme.${name}`)}
          </label>
        ))}
      </fieldset>
    </section>
  )
}
