/** The sign of the exchange: a coin that is open, and a price that rises in it. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 64 64" aria-hidden="true">
      <rect width="64" height="64" rx="15" />
      <path class="mark-ring" d="M46 20.5A18 18 0 1 0 46 43.5" />
      <path class="mark-line" d="M21 38l8-8 6 5 12-12" />
    </svg>
  )
}
