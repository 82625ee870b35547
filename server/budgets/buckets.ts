/**
 * How many buckets a window is cut into. Charges are counted by bucket, and a whole one more than the window's length is
 * kept: of what a limit allows, B / (B + 1) can be used. The ledger's function says the same.
 */
export const BUCKETS = 20;
