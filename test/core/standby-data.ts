/** What one probe moves over a node's line, in bytes; the lines are held against real ones by the gateway's test. */

/** `start`, `started`, `stop`, and two receipts that are proposed and signed: of what ran, and of one window stood by for. */
export const PROBE_LINES_BYTES_MAX = 5 * 1024
/** A further window stood by for: one receipt more, proposed, signed and handed in. */
export const WINDOW_BYTES_MAX = 4 * 1024
/** Both receipts handed in to the coordinator, with the headers of request and answer. */
export const HAND_IN_BYTES_MAX = 5 * 1024
/** A connection in place of the one that was bound: hello, and TLS 1.3 with a certificate that its key signed itself. */
export const DIAL_BYTES_MAX = 4 * 1024
/** `HEAD /` and the head of an answer. */
export const ASK_BYTES_MAX = 2 * 1024
