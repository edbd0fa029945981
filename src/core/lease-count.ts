/** Leases of a node whose owner and operator say nothing. */
export const LEASES_PER_NODE_DEFAULT = 256
/** Whatever they say: a node's table must stay one that can be sent. */
export const LEASES_PER_NODE_MOST = 20_000
