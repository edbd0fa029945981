/** An order is named by the sequence of the command that placed it. */
export function orderId(seq: number): string {
  return `ord_${seq}`
}

/** NaN for what is no order's id. */
export function orderSeq(id: string): number {
  return Number(id.slice('ord_'.length))
}
