import type { Comparison } from '../comparison.ts';
import type { BenchDatabase } from '../database.ts';
import { forgetKeys } from '../forget-keys.ts';
import type { LatchkeyUnderTest } from '../latchkey.ts';
import { requireAllValid } from '../requests.ts';
import type { SeededKey } from '../seed.ts';

/** What a key in memory takes: the growth of the process, after collections, divided by the keys that it came to hold. */
export async function measureMemory(options: {
  readonly latchkey: LatchkeyUnderTest;
  readonly database: BenchDatabase;
  readonly keys: readonly SeededKey[];
}): Promise<Comparison> {
  const { latchkey, database, keys } = options;
  const target = latchkey.target('BatchVerify');
  const look = async (): Promise<{
    keys: number;
    estimate: number;
    rssBytes: number;
    usedBytes: number;
  }> => ({
    keys: await latchkey.metric('latchkey_cached_keys'),
    estimate: await latchkey.metric('latchkey_cached_bytes'),
    ...(await latchkey.child.ask('memory')),
  });

  await forgetKeys(latchkey, database);
  const before = await look();
  for (let start = 0; start < keys.length; start += 100) {
    await requireAllValid(
      target,
      keys.slice(start, start + 100).map(({ token }) => token),
    );
  }
  const after = await look();
  const count = after.keys - before.keys;
  const each = (name: 'estimate' | 'rssBytes' | 'usedBytes'): number => (after[name] - before[name]) / count;
  return {
    title: `Memory of a cached key, by ${count.toLocaleString('en')} of them`,
    rows: [
      { label: "heap and V8's outside memory, bytes", samples: [{ ours: each('usedBytes') }] },
      { label: 'resident set, bytes', samples: [{ ours: each('rssBytes') }] },
      { label: "the server's own estimate, bytes", samples: [{ ours: each('estimate') }] },
    ],
  };
}
