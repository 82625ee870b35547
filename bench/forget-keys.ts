import type { BenchDatabase } from './database.ts';
import type { LatchkeyUnderTest } from './latchkey.ts';
import { callOnce, verifyMessage } from './requests.ts';

/** How long a server may take to see a change of another replica, ms. */
const GIVE_UP_MS = 10_000;

/** Makes the server forget all keys but the root key, as a change by another replica does. */
export async function forgetKeys(latchkey: LatchkeyUnderTest, database: BenchDatabase): Promise<void> {
  await database.query('UPDATE change_head SET seq = seq + 1');
  const giveUpMs = performance.now() + GIVE_UP_MS;
  while ((await latchkey.metric('latchkey_cached_keys')) > 0) {
    if (performance.now() > giveUpMs) throw new Error('the server did not forget its keys');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // Brings back the root key, which is warm in any server: to judge this text takes no other.
  await callOnce(latchkey.target('Verify'), verifyMessage('not a token'));
}
