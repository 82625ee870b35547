import { expect, test } from 'vitest';
import type { Change } from '../../../core/change.ts';
import { createInProcessCoherence } from '../../../server/coherence/in-process.ts';
import { nameOf } from '../support/watch-under-test.ts';

const at = (seq: number) => ({ shard: 0, seq });

function inProcess(seq: number) {
  const forgotten: string[] = [];
  const memory = {
    forget: (change: Change) => void forgotten.push(nameOf(change)),
    clear: () => void forgotten.push('*'),
  };
  return { coherence: createInProcessCoherence({ memory, head: at(seq) }), forgotten };
}

test('memory of the only process is always fresh, and its changes take effect at once', async () => {
  const { coherence } = inProcess(0);
  expect(coherence.isFresh()).toBe(true);
  expect(coherence.effectiveDelayMs).toBe(0);
  expect(await coherence.confirm(at(9), true)).toEqual({ replicas: 1, confirmed: 1 });
  await coherence.stop();
});

test('the head that was found is covered, and nothing after it', () => {
  const { coherence, forgotten } = inProcess(7);
  expect(coherence.revision()).toEqual(at(7));
  expect([6, 7, 8].map((seq) => coherence.covers(at(seq)))).toEqual([true, true, false]);
  expect(forgotten).toEqual([]);
});

test('a change is applied before it is covered', () => {
  const seen: boolean[] = [];
  const coherence = createInProcessCoherence({
    memory: { forget: () => void seen.push(coherence.covers(at(8))), clear: () => {} },
    head: at(7),
  });
  coherence.publish([{ kind: 'key', id: 'key_a' }], at(8), coherence.epoch());
  expect(seen).toEqual([false]);
  expect(coherence.covers(at(8))).toBe(true);
});

test('changes of every kind are applied in order', () => {
  const { coherence, forgotten } = inProcess(7);
  coherence.publish(
    [
      { kind: 'key', id: 'key_a' },
      { kind: 'policy', id: 'pol_a' },
      { kind: 'owner', keyspaceId: 'ks_a', id: 'ann' },
      { kind: 'keyspace', id: 'ks_a' },
      { kind: 'imports' },
    ],
    at(8),
    coherence.epoch(),
  );
  coherence.publish([{ kind: 'key', id: 'key_b' }], at(9), coherence.epoch());
  expect(forgotten).toEqual(['key_a', 'pol_a', 'ann', 'ks_a', 'imports', 'key_b']);
  expect(coherence.revision()).toEqual(at(9));
});

test('a change whose fate is unknown is applied, and the head stays', () => {
  const { coherence, forgotten } = inProcess(7);
  coherence.publish([{ kind: 'key', id: 'key_a' }], undefined, coherence.epoch());
  expect(forgotten).toEqual(['key_a']);
  expect(coherence.revision()).toEqual(at(7));
});

test('the head never goes back', () => {
  const { coherence } = inProcess(7);
  coherence.publish([], at(9), coherence.epoch());
  coherence.publish([], at(8), coherence.epoch());
  expect(coherence.revision()).toEqual(at(9));
});
