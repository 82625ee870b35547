import { createHash, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import type { IdempotencyRecord } from '../../server/lifecycle/ports.ts';
import { onEachEngine } from './each-engine.ts';
import { CREATED_MS } from './records.ts';

const EXPIRE_MS = CREATED_MS + 1000;

const newHash = (): string => randomBytes(32).toString('hex');

const anAnswer = (text: string): IdempotencyRecord => ({
  requestDigestHex: createHash('sha256').update(text).digest('hex'),
  sealedAnswer: Buffer.concat([Buffer.from([0, 255, 1]), Buffer.from(text)]),
});

onEachEngine((subject) => {
  /** Claims an id and completes it, in one transaction. */
  const answered = async (hash: string, answer: IdempotencyRecord, expireMs = EXPIRE_MS): Promise<void> => {
    await subject().store.transaction(async (tx) => {
      expect(await tx.idempotency.claim(hash, expireMs)).toBeUndefined();
      await tx.idempotency.complete(hash, answer);
    });
  };

  it('gives an id that was answered its first answer, every time, byte by byte', async () => {
    const { idempotency } = subject().store;
    const [hash, other] = [newHash(), newHash()];
    await answered(hash, anAnswer('one'));
    await answered(other, anAnswer('other'));
    for (let retry = 0; retry < 2; retry += 1) {
      expect(await idempotency.claim(hash, EXPIRE_MS)).toEqual(anAnswer('one'));
    }
    expect(await idempotency.claim(other, EXPIRE_MS)).toEqual(anAnswer('other'));
  });

  it('gives the claim to the next where the transaction that had it was rolled back', async () => {
    const { store } = subject();
    const hash = newHash();
    const failing = store.transaction(async (tx) => {
      expect(await tx.idempotency.claim(hash, EXPIRE_MS)).toBeUndefined();
      await tx.idempotency.complete(hash, anAnswer('never'));
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    await answered(hash, anAnswer('second'));
    expect(await store.idempotency.claim(hash, EXPIRE_MS)).toEqual(anAnswer('second'));
  });

  it('makes a second claim wait for the first, and gives it the first answer', async () => {
    const { store, someoneWaits } = subject();
    const hash = newHash();
    let second: Promise<IdempotencyRecord | undefined> | undefined;
    await store.transaction(async (tx) => {
      await tx.idempotency.claim(hash, EXPIRE_MS);
      second = store.transaction((other) => other.idempotency.claim(hash, EXPIRE_MS));
      await someoneWaits();
      await tx.idempotency.complete(hash, anAnswer('first'));
    });
    expect(await second).toEqual(anAnswer('first'));
  });

  it('makes a second claim wait for the first, and gives it the claim if the first is rolled back', async () => {
    const { store, someoneWaits } = subject();
    const hash = newHash();
    let second: Promise<IdempotencyRecord | undefined> | undefined;
    const first = store.transaction(async (tx) => {
      await tx.idempotency.claim(hash, EXPIRE_MS);
      await tx.idempotency.complete(hash, anAnswer('first'));
      second = store.transaction(async (other) => {
        const answer = await other.idempotency.claim(hash, EXPIRE_MS);
        await other.idempotency.complete(hash, anAnswer('second'));
        return answer;
      });
      await someoneWaits();
      throw new Error('rolled back');
    });
    await expect(first).rejects.toThrow('rolled back');
    expect(await second).toBeUndefined();
    expect(await store.idempotency.claim(hash, EXPIRE_MS)).toEqual(anAnswer('second'));
  });

  it('gives an id to exactly one of many that claim it at once', async () => {
    const { store } = subject();
    const hash = newHash();
    const claims = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        store.transaction(async (tx) => {
          const answer = await tx.idempotency.claim(hash, EXPIRE_MS);
          if (answer === undefined) await tx.idempotency.complete(hash, anAnswer(`of ${index}`));
          return answer;
        }),
      ),
    );
    const winner = claims.indexOf(undefined);
    const expected = claims.map((_, index) => (index === winner ? undefined : anAnswer(`of ${winner}`)));
    expect(claims).toEqual(expected);
  });

  it('removes the answers whose time is over, the very instant included, and at most as many as allowed', async () => {
    const { idempotency } = subject().store;
    await idempotency.purgeDue(Number.MAX_SAFE_INTEGER / 2, 1000);
    const due = [newHash(), newHash(), newHash()];
    const kept = newHash();
    for (const hash of due) await answered(hash, anAnswer('due'), EXPIRE_MS);
    await answered(kept, anAnswer('kept'), EXPIRE_MS + 1);

    expect(await idempotency.purgeDue(EXPIRE_MS - 1, 10)).toBe(0);
    expect(await idempotency.purgeDue(EXPIRE_MS, 2)).toBe(2);
    expect(await idempotency.purgeDue(EXPIRE_MS, 2)).toBe(1);
    expect(await idempotency.purgeDue(EXPIRE_MS, 2)).toBe(0);
    expect(await idempotency.claim(kept, EXPIRE_MS)).toEqual(anAnswer('kept'));
    // Whoever comes after that time is new.
    await answered(due[0]!, anAnswer('new'));
  });
});
