/** Rows in one statement: Postgres takes 65,535 parameters, a row has at most thirty. */
const BATCH = 2000;

/** Writes rows in statements of a size that the protocol takes. */
export async function inBatches<T>(
  rows: readonly T[],
  write: (batch: readonly T[]) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < rows.length; start += BATCH) await write(rows.slice(start, start + BATCH));
}
