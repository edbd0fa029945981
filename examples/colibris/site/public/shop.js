// Without this script the forms still work: the browser then shows the API's own answer.
const ANSWER_TIMEOUT_MS = 20_000
const answer = document.getElementById('answer')

for (const form of document.querySelectorAll('form[data-api]')) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    answer.textContent = 'Asking…'
    const started = performance.now()
    try {
      const query = new URLSearchParams(new FormData(form))
      const response = await fetch(`${form.getAttribute('action')}?${query}`, {signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS)})
      const body = await response.json()
      answer.textContent = `${JSON.stringify(body, undefined, 2)}\n\nin ${Math.round(performance.now() - started)} ms`
    } catch {
      answer.textContent = 'No answer came. Please try again in a moment.'
    }
  })
}
