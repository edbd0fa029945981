import {useEffect, useState} from 'preact/hooks'
import {network} from '../data/network.ts'
import {useWords} from '../words.ts'

/** Which network this page signs for; nothing where a browser can tell none from another. */
export function NetworkId() {
  const {t} = useWords()
  const [id, setId] = useState<string>()
  useEffect(() => {
    let isShown = true
    network().then(
      (found) => isShown && setId(found.id),
      () => undefined
    )
    return () => {
      isShown = false
    }
  }, [])
  if (id === undefined) return null
  return (
    <details class="network-id">
      <summary>{t('network.title')}</summary>
      <p>
        <code class="long">{id}</code>
      </p>
      <p class="faint small">
        {t('network.why')} <code>creo network show</code>
      </p>
    </details>
  )
}
