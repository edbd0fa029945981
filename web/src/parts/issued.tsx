import {takeApart} from '../issuer-text.ts'
import {useWords} from '../words.ts'

/** A text that an issuer wrote: it stands alone in its direction, hides nothing, and says where it mixes alphabets. */
export function Issued({text}: {readonly text: string}) {
  const {t} = useWords()
  const {parts, isMixed} = takeApart(text)
  return (
    <span class="issued">
      <bdi>
        {parts.map((part, place) =>
          part.kind === 'plain' ? (
            part.text
          ) : (
            <span
              class="hidden-sign"
              role="img"
              aria-label={t('text.hidden', {name: part.name})}
              title={t('text.hidden', {name: part.name})}
              key={place}
            >
              {part.name}
            </span>
          )
        )}
      </bdi>
      {isMixed && (
        <>
          {' '}
          <span class="warn-sign" title={t('text.mixed.why')}>
            {t('text.mixed')}
          </span>
        </>
      )}
    </span>
  )
}
